// @ts-check
/** What is shown: workspaces, a list, filters, an order and an open task. All of it is in the URL of the page. */

import { startOfDay, withOffset } from "./dates.js";

/**
 * @typedef {object} View
 * @property {string[]} workspaces those that are shown together; none stands for the home of the caller
 * @property {string} list a list, "" for all
 * @property {string} of the workspace of that list
 * @property {string} q a part of the text
 * @property {"open" | "done" | "all"} show
 * @property {"" | "today" | "week"} due
 * @property {number} priority the least one
 * @property {string[]} labels all of which a task has
 * @property {string} sort one of SORTS
 * @property {string} task the key of the open task, "" for none
 */

/** Orders by their names in the URL, and what the API calls them. */
export const SORTS = /** @type {Record<string, string>} */ ({
  manual: "position",
  due: "due_at",
  priority: "-priority",
  newest: "-created_at",
  changed: "-updated_at",
});

/** @returns {View} what a URL asks for @param {string} search its query string */
export function viewOf(search) {
  const query = new URLSearchParams(search);
  const text = (/** @type {string} */ name) => query.get(name) ?? "";
  const show = text("show");
  const due = text("due");
  return {
    workspaces: [...new Set(query.getAll("workspace"))].filter((name) => name),
    list: text("list"),
    of: text("of"),
    q: text("q"),
    show: show === "done" || show === "all" ? show : "open",
    due: due === "today" || due === "week" ? due : "",
    priority: Math.min(Math.max(Math.trunc(Number(text("priority"))) || 0, 0), 9),
    labels: [...new Set(query.getAll("label"))].filter((label) => label),
    sort: text("sort") in SORTS ? text("sort") : "manual",
    task: text("task"),
  };
}

/** @param {View} view @returns {string} the query string that asks for it, with its question mark; "" for the default */
export function searchOf(view) {
  const query = new URLSearchParams();
  for (const name of view.workspaces) query.append("workspace", name);
  if (view.list) query.set("list", view.list);
  if (view.list && view.of) query.set("of", view.of);
  if (view.q) query.set("q", view.q);
  if (view.show !== "open") query.set("show", view.show);
  if (view.due) query.set("due", view.due);
  if (view.priority) query.set("priority", String(view.priority));
  for (const label of view.labels) query.append("label", label);
  if (view.sort !== "manual") query.set("sort", view.sort);
  if (view.task) query.set("task", view.task);
  const text = query.toString();
  return text && `?${text}`;
}

/** The day before which something is due in a view, as local midnight; null for any. @param {View} view */
export function dueLimit(view) {
  return view.due ? startOfDay(view.due === "today" ? 1 : 7) : null;
}

/** The filters of a view, as the API takes them. @param {View} view @param {string[]} workspaces */
export function filtersOf(view, workspaces) {
  const query = new URLSearchParams();
  for (const name of view.list ? [view.of] : workspaces) query.append("workspace", name);
  if (view.list) query.set("list", view.list);
  if (view.show !== "all") query.set("done", String(view.show === "done"));
  const limit = dueLimit(view);
  if (limit) query.set("due_before", withOffset(limit));
  if (view.priority) query.set("priority_min", String(view.priority));
  for (const label of view.labels) query.append("label", label);
  if (view.q.trim()) query.set("q", view.q.trim());
  query.set("sort", SORTS[view.sort]);
  return query;
}
