// @ts-check
/** Deletes tasks and lists, and brings them back. */

import { pathIn, request } from "./api.js";
import { complain, inOrder, short } from "./changing.js";
import { confirmed } from "./asking.js";
import { go, listsLater } from "./loading.js";
import { keyOf, model } from "./model.js";
import { write } from "./repeating.js";
import { undoable } from "./undo.js";

/** @typedef {import("./model.js").Task} Task */

const BATCH = 500;

/** Deletes a task; if it has parts, people say what becomes of them. @param {Task} task */
export async function deleteTask(task) {
  await guarded(async () => {
    const parts = await tasksBelow(task);
    let withParts = false;
    if (parts.length) {
      const count = parts.length === 1 ? "1 subtask" : `${parts.length} subtasks`;
      const answer = await confirmed(`Delete “${short(task)}”?`, `It has ${count}.`, [
        ["all", `Delete with ${count}`],
        ["one", "Keep subtasks"],
      ]);
      if (answer === "") return null;
      withParts = answer === "all";
    }
    return inOrder(keyOf(task), async () => {
      const answer = await request("GET", pathIn(task.workspace, `tasks/${task.id}`));
      const current = { ...(await answer.json()), workspace: task.workspace };
      const deleted = [current, ...(withParts ? parts : [])];
      await batch(task.workspace, deletionsOf([...deleted].reverse()), deleted.map(keyOf));
      if (model.view.task === keyOf(task)) go({ task: "" }, { replace: true });
      const children = withParts ? [] : parts.filter((part) => part.parent_id === task.id);
      const back = children.map(({ id }) => ({ op: "update", id, patch: { parent_id: task.id } }));
      return [`Deleted “${short(task)}”.`, () => restore(task.workspace, deleted, back)];
    });
  });
}

/** Deletes a list with all of its tasks. @param {string} workspace @param {string} list */
export async function deleteList(workspace, list) {
  await guarded(async () => {
    const tasks = await allOf(workspace, { list });
    const count = tasks.length === 1 ? "1 task" : `${tasks.length} tasks`;
    const answer = await confirmed(`Delete the list “${list}”?`, `It has ${count}, with those that are done.`, [
      ["all", "Delete list"],
    ]);
    if (answer === "") return null;
    await write("DELETE", pathIn(workspace, `lists/${encodeURIComponent(list)}`));
    for (const task of tasks) model.drop(keyOf(task));
    listsLater(workspace);
    go({ list: "", of: "", task: "" });
    return [`Deleted the list “${list}” with ${count}.`, () => restore(workspace, byDepth(tasks))];
  });
}

/** Deletes the tasks that are done: of a list, or of some workspaces. @param {string[]} workspaces @param {string} list "" for all lists */
export async function deleteDone(workspaces, list) {
  await guarded(async () => {
    /** @type {Map<string, Task[]>} */
    const deleted = new Map();
    for (const workspace of workspaces) {
      const tasks = await allOf(workspace, list ? { list, done: "true" } : { done: "true" });
      await batch(workspace, deletionsOf(tasks), tasks.map(keyOf));
      deleted.set(workspace, tasks);
    }
    const count = [...deleted.values()].flat().length;
    if (!count) {
      model.toast("No task here is done.");
      return null;
    }
    const text = `Deleted ${count === 1 ? "1 task that was done" : `${count} tasks that were done`}.`;
    return [
      text,
      async () => {
        for (const [workspace, tasks] of deleted) await restore(workspace, byDepth(tasks));
      },
    ];
  });
}

/** Does something that can be undone, and says what was refused. @param {() => Promise<[string, () => Promise<void>] | null>} work */
function guarded(work) {
  return undoable(async () => {
    try {
      return await work();
    } catch (error) {
      complain(error);
      return null;
    }
  });
}

/** @param {Task[]} tasks */
const deletionsOf = (tasks) => tasks.map(({ id }) => ({ op: "delete", id }));

/** Gives a list another name. @param {string} workspace @param {string} list @param {string} name */
export async function renameList(workspace, list, name) {
  if (!name.trim() || name === list) return;
  try {
    await write("PATCH", pathIn(workspace, `lists/${encodeURIComponent(list)}`), { body: { name } });
    listsLater(workspace);
    go({ list: name, of: workspace }, { replace: true });
  } catch (error) {
    complain(error);
  }
}

/** Tasks that become parts again after those that they are parts of. @param {Task[]} tasks */
function byDepth(tasks) {
  const parents = new Map(tasks.map((task) => [task.id, task.parent_id]));
  const depth = (/** @type {number | null | undefined} */ id) => {
    let levels = 0;
    for (let at = id; at != null && parents.has(at) && levels < 10; at = parents.get(at)) levels++;
    return levels;
  };
  return [...tasks].sort((a, b) => depth(a.id) - depth(b.id));
}

/** @param {string} workspace @param {Task[]} tasks as they were @param {object[]} [more] operations after them */
async function restore(workspace, tasks, more = []) {
  try {
    const back = tasks.map(({ id, version }) => ({ op: "restore", id, version }));
    await batch(workspace, [...back, ...more]);
    model.say(tasks.length === 1 ? `Restored ${short(tasks[0])}.` : `Restored ${tasks.length} tasks.`);
  } catch (error) {
    complain(error);
  }
}

/** @param {string} workspace @param {object[]} operations @param {string[]} [hidden] keys of tasks that it deletes */
export async function batch(workspace, operations, hidden = []) {
  const shown = model.hide(hidden);
  try {
    for (let start = 0; start < operations.length; start += BATCH) {
      const answer = await write("POST", pathIn(workspace, "tasks/batch"), { body: operations.slice(start, start + BATCH) });
      const { results } = await answer.json();
      for (const result of results) if (result?.task) model.put({ ...result.task, workspace });
    }
    for (const key of hidden) model.drop(key);
  } finally {
    shown();
  }
  listsLater(workspace);
}

/** All tasks below a task, each after the one that it's a part of. @param {Task} task @returns {Promise<Task[]>} */
async function tasksBelow(task) {
  const found = await allOf(task.workspace, { parent_id: String(task.id) });
  const deeper = await Promise.all(found.map(tasksBelow));
  return found.flatMap((part, index) => [part, ...deeper[index]]);
}

/** @param {string} workspace @param {Record<string, string>} filters @returns {Promise<Task[]>} */
async function allOf(workspace, filters) {
  const answer = await request("GET", pathIn(workspace, "tasks/"), { query: new URLSearchParams(filters) });
  return (await answer.json()).map((/** @type {Task} */ task) => ({ ...task, workspace }));
}
