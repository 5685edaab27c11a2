// @ts-check
/** Moves tasks in the order by hand. */

import { change, complain } from "./changing.js";
import { batch } from "./deleting.js";
import { keyOf, model } from "./model.js";
import { NoRoom, between } from "./positions.js";

/** @typedef {import("./model.js").Task} Task @typedef {import("./order.js").Row} Row */

/**
 * Where a row comes if it's put before another one: its parent, and its new brothers and sisters with it among them.
 * Null where it is already, below itself, and below a task of another workspace.
 *
 * @typedef {{parent: number | null, siblings: Task[], index: number}} Place
 * @param {Row[]} rows @param {number} from the row @param {number} to the row before which it comes, or their number
 * @returns {Place | null}
 */
export function placeAt(rows, from, to) {
  const { task, parts } = rows[from];
  if (to >= from && to <= from + parts + 1) return null;
  const below = rows[to]; // which says how deep it comes; at the end that's the level of all
  const level = below?.level ?? 0;
  const parent = level ? below.task.parent_id : null;
  if (level && below.task.workspace !== task.workspace) return null;
  const siblings = [];
  let index = 0;
  for (const [place, row] of rows.entries()) {
    if (place === from || row.level !== level || (level && row.task.parent_id !== parent)) continue;
    if (place < to) index = siblings.length + 1;
    siblings.push(row.task);
  }
  siblings.splice(index, 0, task);
  return { parent, siblings, index };
}

/** Puts a row before another one. @param {number} from @param {number} to */
export async function move(from, to) {
  const place = placeAt(model.rows, from, to);
  if (place) await put(model.rows[from], place);
}

/** Moves a row past its neighbour of the same level. @param {Row[]} rows @param {number} from @param {1 | -1} step */
export async function moveBy(rows, from, step) {
  const { task, level } = rows[from];
  const siblings = rows
    .filter((row) => row.level === level && (level === 0 || row.task.parent_id === task.parent_id))
    .map((row) => row.task);
  const index = siblings.indexOf(task) + step;
  if (index < 0 || index >= siblings.length) return;
  siblings.splice(index - step, 1);
  siblings.splice(index, 0, task);
  model.say(`${index + 1} of ${siblings.length}`);
  await put(rows[from], { parent: level ? task.parent_id : null, siblings, index });
}

/** @param {Row} row @param {Place} place */
async function put({ task, level }, { parent, siblings, index }) {
  const patches = positionsFor(siblings, index);
  const own = /** @type {Partial<Task>} */ (patches.get(task));
  if (parent !== null ? task.parent_id !== parent : level > 0) own.parent_id = parent;
  if (patches.size === 1) {
    await change(task, own);
    return;
  }
  const shown = [...patches].map(([each, patch]) => model.overlay(keyOf(each), patch));
  try {
    for (const [workspace, entries] of Map.groupBy(patches, ([each]) => each.workspace)) {
      await batch(workspace, entries.map(([each, patch]) => ({ op: "update", id: each.id, patch })));
    }
  } catch (error) {
    complain(error);
  } finally {
    for (const end of shown) end();
  }
}

/**
 * The fewest new positions that put the task at `index` there: its own; also of those before it that have none; or, if
 * nothing fits between two of them, of all.
 *
 * @param {Task[]} tasks in their new order @param {number} index
 * @returns {Map<Task, Partial<Task>>}
 */
export function positionsFor(tasks, index) {
  /** @type {Map<Task, Partial<Task>>} */
  const patches = new Map();
  const after = tasks[index + 1]?.position ?? null;
  let first = index;
  while (first > 0 && tasks[first - 1].position === null) first--;
  try {
    let before = first > 0 ? tasks[first - 1].position : null;
    for (const task of tasks.slice(first, index + 1)) {
      before = between(before, after);
      patches.set(task, { position: before });
    }
  } catch (error) {
    if (!(error instanceof NoRoom) && !(error instanceof RangeError)) throw error;
    patches.clear();
    let before = null;
    for (const task of tasks) {
      before = between(before, null);
      patches.set(task, { position: before });
    }
  }
  return patches;
}
