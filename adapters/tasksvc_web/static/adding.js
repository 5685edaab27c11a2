// @ts-check
/** The line that adds tasks, and what stands in place of rows where there are none. */

import { create } from "./changing.js";
import { dayOf, startOfDay } from "./dates.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit-html/lit-html.js";
import { reveal } from "./list.js";
import { go, load } from "./loading.js";
import { keyOf, model } from "./model.js";
import { outbox, tryNow } from "./repeating.js";

/** Where new tasks go: the chosen list, or the inbox of the first workspace. */
function target() {
  const { view, workspaces } = model;
  return view.list ? { workspace: view.of, list: view.list } : { workspace: workspaces[0], list: "inbox" };
}

/** @param {SubmitEvent} event */
async function add(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const input = /** @type {HTMLInputElement} */ (form.elements.namedItem("description"));
  const description = input.value;
  if (!description.trim()) return;
  input.value = "";
  const { workspace, list } = target();
  const { view } = model;
  const task = await create(workspace, {
    description,
    list,
    ...(view.labels.length ? { labels: view.labels } : {}),
    ...(view.due ? { due_on: dayOf(startOfDay(0)) } : {}),
    ...(view.priority ? { priority: view.priority } : {}),
  });
  if (!task) {
    if (!input.value) input.value = description;
    return;
  }
  model.active = keyOf(task);
  const index = model.rows.findIndex((row) => row.key === model.active);
  if (index >= 0) reveal(index);
}

/** The line that adds a task; nothing for callers who only read. */
export function addRow() {
  if (!model.me || !model.writes) return nothing;
  const { workspace, list } = target();
  const where = model.workspaces.length > 1 ? `${list} of ${workspace}` : list;
  return html`
    <form class="add" @submit=${add}>
      ${icon("plus")}
      <input name="description" id="add" dir="auto" maxlength="10000" autocomplete="off" enterkeyhint="done"
        aria-label="Add a task to ${where}" placeholder="Add a task to ${where}">
      <kbd aria-hidden="true">n</kbd>
    </form>
    ${outbox.failing && model.creating.length
      ? html`<ul class="waiting" aria-label="Tasks that wait for the service">${model.creating.map((text) => html`<li>${icon("cloud")}<bdi class="text">${text}</bdi></li>`)}</ul>`
      : nothing}`;
}

/** What is said where no task is shown. */
export function emptyText() {
  if (model.error) {
    const again = () => (model.loading ? tryNow() : load());
    return said("cloud", "The tasks can’t be shown", model.error, html`<button class="button" @click=${again}>Try again</button>`);
  }
  if (model.loading) return html`<div class="skeleton" role="status"><span class="unseen">Loading</span>${[80, 55, 68, 40, 62].map((width) => html`<i data-width=${width}></i>`)}</div>`;
  const { view } = model;
  if (view.q || view.labels.length || view.due || view.priority) {
    const clear = () => go({ q: "", labels: [], due: "", priority: 0 });
    return said("search", "No task matches", "Nothing here has all that you asked for.", html`<button class="button" @click=${clear}>Clear filters</button>`);
  }
  if (view.show === "done") return said("check", "Nothing is done yet", "Tasks that you complete are here.", nothing);
  return said("check", "Nothing to do", model.writes ? "Add a task above, or press n." : "There is no open task here.", nothing);
}

/** @param {string} symbol @param {string} title @param {string} text @param {unknown} action */
const said = (symbol, title, text, action) => html`
  <div class="empty" role="status">${icon(symbol)}<h2>${title}</h2><p>${text}</p>${action}</div>`;
