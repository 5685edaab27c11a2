// @ts-check
/** What can be undone, newest last. */

import { model } from "./model.js";

/** @type {(() => Promise<void>)[]} */
const steps = [];

/** Says what was done, and keeps how to undo it. @param {string} text @param {() => Promise<void>} step */
export function remembered(text, step) {
  const undo = async () => {
    const index = steps.indexOf(undo);
    if (index < 0) return;
    steps.splice(index, 1);
    model.toasts = model.toasts.filter((toast) => toast.undo !== undo);
    model.changed();
    await step();
  };
  steps.push(undo);
  model.toast(text, { undo });
}

/** Undoes the last thing. */
export async function undoLast() {
  const last = steps.at(-1);
  if (last) await last();
  else model.toast("There is nothing to undo.");
}
