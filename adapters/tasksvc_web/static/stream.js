// @ts-check
/** Follows the changes of workspaces over one stream, which goes on where it was cut off. */

import { Problem, request } from "./api.js";
import { pause, pauseAfter, tryNow } from "./repeating.js";

const SILENCE_MS = 45_000;

/**
 * @typedef {object} Followed
 * @property {(change: any) => void} change a change, with its workspace
 * @property {(workspace: string | null) => void} gone the position is gone: of one workspace, or of all
 * @property {(workspace: string | null) => void} forbidden the caller may not enter it any more
 * @property {(state: "live" | "cut") => void} state
 */

/**
 * Follows until it's aborted, or nothing can be followed any more.
 *
 * @param {string[]} workspaces @param {string} since @param {Followed} followed @param {AbortSignal} signal
 */
export async function follow(workspaces, since, followed, signal) {
  const query = new URLSearchParams(workspaces.map((name) => ["workspace", name]));
  let position = since;
  for (let failures = 0; !signal.aborted; failures++) {
    const quiet = new AbortController();
    let timer = 0;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE_MS);
    };
    try {
      heard();
      const response = await request("GET", "changes/stream", {
        query,
        headers: { "Last-Event-ID": position, Accept: "text/event-stream" },
        signal: AbortSignal.any([signal, quiet.signal]),
      });
      followed.state("live");
      if (failures) tryNow();
      failures = 0;
      for await (const event of eventsOf(response, heard)) {
        if (event.data) {
          const told = JSON.parse(event.data);
          if (told.type === "position-gone") followed.gone(told.workspace);
          else if (told.type === "workspace-forbidden") followed.forbidden(told.workspace);
          else followed.change(told);
        }
        if (event.id) position = event.id;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 410) return followed.gone(null);
      if (error instanceof Problem && error.status === 403) return followed.forbidden(null);
      if (error instanceof Problem && pauseAfter(error, 0) === null) {
        followed.state("cut");
        throw error;
      }
    } finally {
      clearTimeout(timer);
    }
    if (signal.aborted) return;
    followed.state("cut");
    await pause(Math.min(1 + failures, 5), signal).catch(() => {});
  }
}

/**
 * The events of a stream (HTML, section 9.2.6). @param {Response} response @param {() => void} heard
 * @returns {AsyncGenerator<{id: string, data: string}>}
 */
async function* eventsOf(response, heard) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      yield { id: /^id: (.*)$/m.exec(block)?.[1] ?? "", data: /^data: (.*)$/m.exec(block)?.[1] ?? "" };
    }
  }
}
