// @ts-check
/** Loads what a view shows, and keeps it as it is in the service. */

import { Problem, pathIn, request } from "./api.js";
import { startOfDay, withOffset } from "./dates.js";
import { keyOf, model } from "./model.js";
import { repeated } from "./repeating.js";
import { follow } from "./stream.js";
import { filtersOf, searchOf } from "./view.js";

/** @typedef {import("./model.js").Task} Task @typedef {import("./view.js").View} View */

/** Tasks of the first page, which is shown at once, of the others, and of all together. */
const FIRST = 200;
const PAGE = 1_000;
const MOST = 50_000;
const REST_MS = 400;

let current = new AbortController();

/** Goes to a view with some differences to the present one. @param {Partial<View>} changes @param {{replace?: boolean}} [how] */
export function go(changes, { replace = false } = {}) {
  const before = model.view;
  model.view = { ...before, ...changes };
  const search = searchOf(model.view);
  if (search !== searchOf(before)) {
    history[replace ? "replaceState" : "pushState"](null, "", search || location.pathname);
  }
  shown(before);
}

/** Loads what differs from the view before. @param {View} before */
export function shown(before) {
  const rest = { ...model.view, task: "" };
  if (searchOf(rest) !== searchOf({ ...before, task: "" })) void load();
  if (model.view.task !== before.task) void openTask();
  model.changed();
}

/** Loads the view and follows its changes, until the next call. */
export async function load() {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const failed = (/** @type {Error} */ error) => {
    if (signal.aborted) return;
    model.connection = "cut";
    model.error = error.message;
    model.changed();
  };
  model.loading = "first";
  model.changed();
  try {
    const caller = model.me ? null : whoIsIt(signal, failed);
    caller?.catch(() => {}); // if the tasks can't be read either, that is said
    if (!model.view.workspaces.length) await caller; // or their names are enough to begin with
    if (model.view.list && !model.view.of) model.view.of = model.workspaces[0];
    const workspaces = model.workspaces;
    const query = filtersOf(model.view, workspaces);
    query.set("limit", String(FIRST));
    const first = await repeated(() => request("GET", "tasks/", { query, signal }), { signal, failed });
    const tasks = await first.json();
    model.replace(tasks);
    model.error = "";
    model.cut = false;
    model.loading = nextOf(first) ? "more" : "";
    model.changed();
    // Of one list's workspace if there's one, and the stream is of all: what it lacks begins now.
    await caller;
    void loadLists(workspaces);
    if (model.view.task && !model.detail) void openTask();
    void stay(workspaces, first.headers.get("X-Change-Seq") ?? "0", signal);
    for (let next = nextOf(first); next; ) {
      next.set("limit", String(PAGE));
      const page = await repeated(() => request("GET", "tasks/", { query: /** @type {any} */ (next), signal }), { signal });
      for (const task of await page.json()) model.put(task);
      next = nextOf(page);
      model.cut = next !== null && model.tasks.size >= MOST;
      if (model.cut) next = null;
      model.changed();
    }
    model.loading = "";
    model.changed();
  } catch (error) {
    if (signal.aborted) return;
    model.loading = "";
    model.error = explained(error);
    model.tasks = new Map();
    model.changed();
  }
}

/** Asks who the caller is. @param {AbortSignal} signal @param {(error: Error) => void} failed */
async function whoIsIt(signal, failed) {
  model.me = await repeated(async () => (await request("GET", "me", { signal })).json(), { signal, failed });
  model.changed();
}

/** @param {unknown} error */
function explained(error) {
  if (error instanceof Problem && error.type === "workspace-forbidden") {
    return "Your token doesn't let you enter one of these workspaces.";
  }
  return error instanceof Error ? error.message : String(error);
}

/** @param {Response} page @returns {URLSearchParams | null} the query of the next page */
function nextOf(page) {
  const found = /<([^>]*)>; rel="next"/.exec(page.headers.get("Link") ?? "");
  return found && new URL(found[1], page.url).searchParams;
}

/** @param {string[]} workspaces @param {string} since @param {AbortSignal} signal */
async function stay(workspaces, since, signal) {
  const again = () => setTimeout(() => signal.aborted || load(), 0);
  try {
    await follow(
      workspaces,
      since,
      {
        change: (told) => {
          const task = told.task && { ...told.task, workspace: told.workspace };
          if (told.type === "deleted") deleted(`${told.workspace}/${told.task_id}`, task);
          else model.put(task);
          listsLater(told.workspace);
        },
        gone: again,
        forbidden: (workspace) => {
          model.toast(`You may not enter ${workspace ?? "a workspace"} any more.`, { error: true });
          const left = workspaces.filter((name) => name !== workspace);
          if (workspace && left.length) go({ workspaces: left, list: "", of: "" });
          else again();
        },
        state: (state) => {
          if (signal.aborted) return;
          if (state === "live" && model.connection === "cut") {
            void loadLists(workspaces);
            void openTask();
          }
          model.connection = state;
          model.again();
        },
      },
      signal,
    );
  } catch (error) {
    if (!signal.aborted) model.toast(explained(error), { error: true });
  }
}

/** @param {string} key @param {Task | null} task the last version, if the log has it */
function deleted(key, task) {
  const known = model.tasks.get(key) ?? model.parts.get(key);
  if (known && task && known.version > task.version) return; // it was restored since
  const wasOpen = model.view.task === key;
  model.drop(key, task?.version);
  if (wasOpen) go({ task: "" }, { replace: true });
}

/** @type {Set<string>} */
const stale = new Set();
let timer = 0;

/** Reads the lists of a workspace soon, once for many changes. @param {string} workspace */
export function listsLater(workspace) {
  stale.add(workspace);
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    const names = [...stale].filter((name) => model.workspaces.includes(name));
    stale.clear();
    void loadLists(names);
  }, REST_MS);
}

/** @param {string[]} names of workspaces */
async function loadLists(names) {
  const query = new URLSearchParams(model.workspaces.map((name) => ["workspace", name]));
  query.set("done", "false");
  query.set("due_before", withOffset(startOfDay(1)));
  try {
    const count = request("GET", "tasks/count", { query }).then(async (answer) => (await answer.json()).count);
    for (const name of names) model.lists.set(name, await (await request("GET", pathIn(name, "lists/"))).json());
    model.dueToday = await count;
    model.changed();
  } catch {
    // The view says what is wrong, and the next change has them read again.
  }
}

/** Loads the open task and its parts. */
export async function openTask() {
  const key = model.view.task;
  const slash = key.lastIndexOf("/");
  if (!key || slash < 0) {
    model.detail = null;
    model.parts = new Map();
    model.changed();
    return;
  }
  if (!model.detail || keyOf(model.detail) !== key) {
    model.detail = model.tasks.get(key) ?? model.parts.get(key) ?? null;
    model.parts = new Map();
  }
  model.changed();
  const workspace = key.slice(0, slash);
  const id = key.slice(slash + 1);
  try {
    const [answer, parts] = await Promise.all([
      repeated(() => request("GET", pathIn(workspace, `tasks/${id}`))),
      repeated(() => request("GET", pathIn(workspace, "tasks/"), { query: new URLSearchParams({ parent_id: id }) })),
    ]);
    const task = remember(await answer.json(), workspace, answer);
    if (model.view.task !== key) return;
    if (!model.detail || model.detail.version <= task.version) model.detail = task;
    for (const part of await parts.json()) model.put({ ...part, workspace });
    model.changed();
  } catch (error) {
    if (model.view.task !== key) return;
    if (error instanceof Problem && error.status === 404) {
      model.toast("This task was deleted.", { error: true });
      go({ task: "" }, { replace: true });
    } else model.toast(explained(error), { error: true });
  }
}

/** Entity tags of versions that were seen, by the keys of tasks. @type {Map<string, {version: number, tag: string}>} */
const tags = new Map();

/** Keeps the entity tag of a task that was answered. @param {any} task @param {string} workspace @param {{headers: Headers}} answer */
export function remember(task, workspace, answer) {
  const found = { ...task, workspace };
  const tag = answer.headers.get("ETag");
  if (tag) tags.set(keyOf(found), { version: task.version, tag });
  return /** @type {Task} */ (found);
}

/** The entity tag of a version, if it was seen. @param {Task} task */
export function tagOf(task) {
  const known = tags.get(keyOf(task));
  return known?.version === task.version ? known.tag : null;
}
