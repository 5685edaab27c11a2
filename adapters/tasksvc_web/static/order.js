// @ts-check
/** The order of tasks, with parts below the tasks that they are parts of. */

/**
 * @typedef {import("./model.js").Task} Task
 * @typedef {{key: string, task: Task, level: number, parts: number}} Row a task, how deep it is, and how many rows are its parts
 */

const compare = (/** @type {any} */ a, /** @type {any} */ b) => (a < b ? -1 : a > b ? 1 : 0);
const last = "\uffff";

/** When a task is due for the order: a day stands for its start in UTC. @param {Task} task */
const due = (task) => task.due_at ?? (task.due_on ? `${task.due_on}T00:00:00` : last);

/** @type {Record<string, (a: Task, b: Task) => number>} */
const ORDERS = {
  manual: (a, b) => compare(a.position ?? last, b.position ?? last),
  due: (a, b) => compare(due(a), due(b)),
  priority: (a, b) => b.priority - a.priority,
  newest: (a, b) => compare(b.created_at, a.created_at),
  changed: (a, b) => compare(b.updated_at, a.updated_at),
};

/** @param {string} sort one of SORTS @returns {(a: Task, b: Task) => number} */
export function orderOf(sort) {
  const order = ORDERS[sort];
  return (a, b) => order(a, b) || compare(a.workspace, b.workspace) || a.id - b.id;
}

/** @param {Task[]} tasks in any order @param {string} sort @returns {Row[]} */
export function rowsOf(tasks, sort) {
  tasks.sort(orderOf(sort));
  const keys = new Set(tasks.map((task) => `${task.workspace}/${task.id}`));
  /** @type {Task[]} */
  const tops = [];
  /** @type {Map<string, Task[]>} */
  const below = new Map();
  for (const task of tasks) {
    const parent = `${task.workspace}/${task.parent_id}`;
    if (task.parent_id === null || !keys.has(parent)) tops.push(task);
    else if (below.has(parent)) below.get(parent)?.push(task);
    else below.set(parent, [task]);
  }
  /** @type {Row[]} */
  const rows = [];
  const add = (/** @type {Task} */ task, /** @type {number} */ level) => {
    const key = `${task.workspace}/${task.id}`;
    const parts = below.get(key) ?? [];
    const row = { key, task, level, parts: 0 };
    rows.push(row);
    const start = rows.length;
    for (const part of parts) add(part, level + 1);
    row.parts = rows.length - start;
  };
  for (const task of tops) add(task, 0);
  return rows;
}
