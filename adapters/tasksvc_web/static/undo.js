// @ts-check
/** What can be undone, in the order in which it was begun. */

import { model } from "./model.js";

/** @typedef {() => Promise<void>} Step what undoes something */

/** @type {Promise<Step | null>[]} */
const steps = [];

/**
 * Does something that can be undone, and says so when it's done.
 *
 * @param {() => Promise<[string, Step] | null>} work returns what was done and how to undo it; null if nothing was done
 */
export async function undoable(work) {
  const step = work().then((done) => {
    if (!done) return null;
    const [text, undo] = done;
    model.toast(text, { undo: () => take(step) });
    return undo;
  });
  steps.push(step);
  if (!(await step)) forget(step);
}

/** @param {Promise<Step | null>} step @returns {boolean} whether it was still there */
function forget(step) {
  const index = steps.indexOf(step);
  if (index >= 0) steps.splice(index, 1);
  return index >= 0;
}

/** Undoes something once. @param {Promise<Step | null>} step */
async function take(step) {
  if (!forget(step)) return;
  const undo = await step;
  model.toasts = model.toasts.filter((toast) => toast.undo === undefined);
  model.again();
  await undo?.();
}

/** Undoes what was begun last, once it's done. */
export async function undoLast() {
  const last = steps.at(-1);
  if (last) await take(last);
  else model.toast("There is nothing to undo.");
}
