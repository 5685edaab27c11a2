// @ts-check
/** Changes tasks: shows each write at once, sends it in the order of its task, and takes it back if it's refused. */

import { Problem, pathIn, request } from "./api.js";
import { askWhichVersion } from "./conflict.js";
import { remember, tagOf } from "./loading.js";
import { keyOf, model } from "./model.js";
import { repeated, write } from "./repeating.js";
import { undoable } from "./undo.js";

/** @typedef {import("./model.js").Task} Task */

/** The last write of each task that isn't answered yet. @type {Map<string, Promise<unknown>>} */
const lanes = new Map();

/**
 * Does something after what is under way for a task.
 *
 * @template T
 * @param {string} key @param {() => Promise<T>} work @returns {Promise<T>}
 */
export function inOrder(key, work) {
  const before = lanes.get(key) ?? Promise.resolve();
  const done = before.then(work, work);
  lanes.set(key, done);
  const end = () => {
    if (lanes.get(key) === done) lanes.delete(key);
  };
  done.then(end, end);
  return done;
}

/** Says what was refused. @param {unknown} error */
export function complain(error) {
  if (error instanceof Problem && error.document.errors?.length) {
    const { field, message } = error.document.errors[0];
    model.toast(`${String(field).replaceAll("_", " ")}: ${message}`, { error: true });
  } else model.toast(error instanceof Error ? error.message : String(error), { error: true });
}

/**
 * Writes fields whatever others have written to the task meanwhile.
 *
 * @param {Task} task @param {Partial<Task>} patch @returns {Promise<Task | null>} null if it was refused, which is said
 */
export async function change(task, patch) {
  const key = keyOf(task);
  const shown = model.overlay(key, patch);
  try {
    return await inOrder(key, async () => {
      const answer = await write("PATCH", pathIn(task.workspace, `tasks/${task.id}`), { body: patch });
      const written = remember(await answer.json(), task.workspace, answer);
      model.put(written);
      return written;
    });
  } catch (error) {
    complain(error);
    return null;
  } finally {
    shown();
  }
}

/**
 * Writes a text that was edited, unless somebody else has changed the same text meanwhile: then people choose.
 *
 * @param {Task} base the task as it was when editing began
 * @param {{description?: string, notes?: string}} patch
 */
export async function edit(base, patch) {
  const key = keyOf(base);
  const fields = /** @type {("description" | "notes")[]} */ (Object.keys(patch));
  if (fields.every((field) => patch[field] === base[field])) return;
  const shown = model.overlay(key, patch);
  try {
    await inOrder(key, async () => {
      let seen = base;
      let tag = tagOf(base);
      for (;;) {
        if (tag === null) {
          const answer = await repeated(() => request("GET", pathIn(base.workspace, `tasks/${base.id}`)));
          const current = remember(await answer.json(), base.workspace, answer);
          tag = answer.headers.get("ETag") ?? "*";
          const chosen = await merged(seen, current, patch, fields);
          if (chosen === null) return;
          [seen, patch] = [current, chosen];
        }
        try {
          const path = pathIn(base.workspace, `tasks/${base.id}`);
          const answer = await write("PATCH", path, { body: patch, headers: { "If-Match": tag } });
          model.put(remember(await answer.json(), base.workspace, answer));
          return;
        } catch (error) {
          if (!(error instanceof Problem) || error.type !== "version-conflict") throw error;
          const current = remember(error.document.current, base.workspace, error);
          tag = error.headers.get("ETag");
          const chosen = await merged(seen, current, patch, fields);
          if (chosen === null) return;
          [seen, patch] = [current, chosen];
        }
      }
    });
  } catch (error) {
    complain(error);
  } finally {
    shown();
  }
}

/**
 * What is to be written over a version that somebody else made; null for nothing.
 *
 * @param {Task} seen @param {Task} current @param {{description?: string, notes?: string}} patch
 * @param {("description" | "notes")[]} fields
 */
async function merged(seen, current, patch, fields) {
  model.put(current);
  const [field] = fields.filter((name) => current[name] !== seen[name] && current[name] !== patch[name]);
  if (!field) return patch;
  const chosen = await askWhichVersion(field, patch[field] ?? "", current);
  return chosen === null ? null : { ...patch, [field]: chosen };
}

/** Ticks a task, or takes the tick away. @param {Task} task @param {boolean} done */
export async function tick(task, done) {
  if (!done) {
    await change(task, { done });
    return;
  }
  await undoable(async () => {
    const written = await change(task, { done });
    if (!written) return null;
    const next = written.next_id !== null ? " The next one is there." : "";
    return [
      `Completed “${short(task)}”.${next}`,
      async () => {
        await change(written, { done: false });
      },
    ];
  });
}

/** Moves a task that repeats to its next occurrence. @param {Task} task */
export async function skip(task) {
  try {
    await inOrder(keyOf(task), async () => {
      const answer = await write("POST", pathIn(task.workspace, `tasks/${task.id}/skip`));
      model.put(remember(await answer.json(), task.workspace, answer));
    });
  } catch (error) {
    complain(error);
  }
}

/**
 * Creates a task.
 *
 * @param {string} workspace @param {Partial<Task>} draft @returns {Promise<Task | null>} null if it was refused
 */
export async function create(workspace, draft) {
  const text = draft.description ?? "";
  model.creating.push(text);
  try {
    const answer = await write("POST", pathIn(workspace, "tasks/"), { body: draft });
    const task = remember(await answer.json(), workspace, answer);
    model.put(task);
    model.say(`Added ${short(task)}.`);
    return task;
  } catch (error) {
    complain(error);
    return null;
  } finally {
    model.creating.splice(model.creating.indexOf(text), 1);
  }
}

/** The beginning of a task's text. @param {Task} task */
export function short(task) {
  const text = task.description.trim().split("\n", 1)[0];
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
