// @ts-check
/** Deletes tasks and lists, and brings them back. */

import { pathIn, request } from "./api.js";
import { complain, inOrder, short } from "./changing.js";
import { confirmed } from "./asking.js";
import { go, listsLater } from "./loading.js";
import { keyOf, model } from "./model.js";
import { write } from "./repeating.js";
import { remembered } from "./undo.js";

/** @typedef {import("./model.js").Task} Task */

const BATCH = 500;

/** Deletes a task; if it has parts, people say what becomes of them. @param {Task} task */
export async function deleteTask(task) {
  try {
    const parts = await tasksBelow(task);
    let withParts = false;
    if (parts.length) {
      const count = parts.length === 1 ? "1 subtask" : `${parts.length} subtasks`;
      const answer = await confirmed(`Delete “${short(task)}”?`, `It has ${count}.`, [
        ["all", `Delete with ${count}`],
        ["one", "Keep subtasks"],
      ]);
      if (answer === "") return;
      withParts = answer === "all";
    }
    await inOrder(keyOf(task), async () => {
      const answer = await request("GET", pathIn(task.workspace, `tasks/${task.id}`));
      const current = { ...(await answer.json()), workspace: task.workspace };
      const restored = [current, ...(withParts ? parts : [])];
      const operations = restored.map(({ id }) => ({ op: "delete", id })).reverse();
      await batch(task.workspace, operations, restored.map(keyOf));
      remembered(`Deleted “${short(task)}”.`, async () => {
        const children = withParts ? [] : parts.filter((part) => part.parent_id === task.id);
        const back = children.map(({ id }) => ({ op: "update", id, patch: { parent_id: task.id } }));
        await restore(task.workspace, restored, back);
      });
    });
    if (model.view.task === keyOf(task)) go({ task: "" }, { replace: true });
  } catch (error) {
    complain(error);
  }
}

/** Deletes a list with all of its tasks. @param {string} workspace @param {string} list */
export async function deleteList(workspace, list) {
  try {
    const tasks = await allOf(workspace, { list });
    const count = tasks.length === 1 ? "1 task" : `${tasks.length} tasks`;
    const answer = await confirmed(`Delete the list “${list}”?`, `It has ${count}, with those that are done.`, [
      ["all", "Delete list"],
    ]);
    if (answer === "") return;
    await write("DELETE", pathIn(workspace, `lists/${encodeURIComponent(list)}`));
    for (const task of tasks) model.drop(keyOf(task));
    listsLater(workspace);
    go({ list: "", of: "", task: "" });
    remembered(`Deleted the list “${list}” with ${count}.`, () => restore(workspace, byDepth(tasks)));
  } catch (error) {
    complain(error);
  }
}

/** Deletes the tasks of a list that are done. @param {string} workspace @param {string} list "" for all lists */
export async function deleteDone(workspace, list) {
  try {
    const tasks = await allOf(workspace, list ? { list, done: "true" } : { done: "true" });
    if (!tasks.length) return model.toast("No task here is done.");
    await batch(workspace, tasks.map(({ id }) => ({ op: "delete", id })), tasks.map(keyOf));
    const count = tasks.length === 1 ? "1 task that was done" : `${tasks.length} tasks that were done`;
    remembered(`Deleted ${count}.`, () => restore(workspace, byDepth(tasks)));
  } catch (error) {
    complain(error);
  }
}

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
