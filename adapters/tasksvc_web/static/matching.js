// @ts-check
/** Whether a task belongs to a view, as the service decides it for the filters of filtersOf(). */

import { dayOf } from "./dates.js";
import { dueLimit } from "./view.js";

/** @typedef {import("./model.js").Task} Task @typedef {import("./view.js").View} View */

/** @param {Task} task @param {View} view */
export function matches(task, view) {
  if (view.list && (task.list !== view.list || task.workspace !== view.of)) return false;
  if (view.show !== "all" && task.done !== (view.show === "done")) return false;
  if (task.priority < view.priority) return false;
  if (!view.labels.every((label) => task.labels.includes(label))) return false;
  const limit = dueLimit(view);
  if (limit && !isDueBefore(task, limit)) return false;
  const part = folded(view.q.trim());
  return !part || folded(task.description).includes(part) || folded(task.notes).includes(part);
}

/** @param {Task} task @param {Date} limit */
function isDueBefore(task, limit) {
  if (task.due_at) return new Date(task.due_at) < limit;
  return task.due_on !== null && task.due_on < dayOf(limit);
}

/** A text without the differences of case and of normal form. @param {string} text */
const folded = (text) => text && text.toUpperCase().toLowerCase().replaceAll("ς", "σ").normalize("NFC");
