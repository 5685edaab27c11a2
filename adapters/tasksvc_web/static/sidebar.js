// @ts-check
/** The lists, by workspace, and the views that go across them. */

import { line } from "./asking.js";
import { login } from "./api.js";
import { icon } from "./icons.js";
import { html, nothing, render } from "./lit-html/lit-html.js";
import { go } from "./loading.js";
import { model } from "./model.js";
import { settingsMenu } from "./settings.js";
import { showShortcuts } from "./shortcuts.js";
import { searchOf } from "./view.js";
import { chooseWorkspaces } from "./workspaces.js";

const side = /** @type {HTMLElement} */ (document.getElementById("sidebar"));

/** @typedef {import("./view.js").View} View */

/** Renders the sidebar. */
export function renderSidebar() {
  const { view, workspaces, lists } = model;
  const all = !view.list && !view.due;
  const open = workspaces.reduce((sum, name) => sum + (lists.get(name) ?? []).reduce((count, list) => count + list.open, 0), 0);
  render(
    html`
      <div class="brand">${icon("logo")}<span>Tasks</span></div>
      <ul class="nav">
        ${item("all", "All tasks", { list: "", of: "", due: "" }, all, lists.size ? open : null)}
        ${item("calendar", "Today", { list: "", of: "", due: "today" }, !view.list && view.due === "today", model.dueToday)}
        ${item("week", "Next 7 days", { list: "", of: "", due: "week" }, !view.list && view.due === "week", null)}
      </ul>
      ${workspaces.map((name) => group(name))}
      <div class="side-end">
        ${model.me ? html`<button class="side-button" @click=${chooseWorkspaces}>${icon("layers")}<span>Workspaces</span></button>` : nothing}
        <button class="side-button" @click=${showShortcuts}>${icon("keyboard")}<span>Keyboard shortcuts</span><kbd aria-hidden="true">?</kbd></button>
        ${settingsMenu()}
        ${login.token !== null ? html`<button class="side-button" @click=${leave}>${icon("leave")}<span>Forget the token</span></button>` : nothing}
      </div>`,
    side,
  );
}

/** @param {string} name of a workspace */
function group(name) {
  const { view } = model;
  const known = model.lists.get(name) ?? [];
  const listed = view.list && view.of === name && !known.some((list) => list.name === view.list);
  const lists = listed ? [...known, { name: view.list, open: 0, total: 0 }] : known;
  const named = model.workspaces.length > 1 || model.view.workspaces.length > 0;
  return html`
    <section aria-label="Lists of ${name}">
      <h2><bdi>${named ? name : "Lists"}</bdi>
        ${model.writes ? html`<button class="icon-button small" aria-label="New list in ${name}" title="New list" @click=${() => add(name)}>${icon("plus")}</button>` : nothing}</h2>
      <ul class="nav">
        ${lists.map((list) => item("list", list.name, { list: list.name, of: name, due: "" }, view.list === list.name && view.of === name, list.open))}
      </ul>
      ${lists.length ? nothing : html`<p class="hint">No list yet.</p>`}
    </section>`;
}

/** @param {string} symbol @param {string} text @param {Partial<View>} changes @param {boolean} current @param {number | null} count */
function item(symbol, text, changes, current, count) {
  const target = { ...changes, q: "", labels: [], priority: 0, task: "" };
  const choose = (/** @type {MouseEvent} */ event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return; // into another tab
    event.preventDefault();
    closeSidebar();
    go(target);
  };
  return html`
    <li><a href=${searchOf({ ...model.view, ...target }) || "./"} aria-current=${current ? "page" : "false"} @click=${choose}>
      ${icon(symbol)}<bdi class="name">${text}</bdi>${
        count ? html`<span class="count">${count.toLocaleString()}<span class="unseen"> open</span></span>` : nothing
      }</a></li>`;
}

/** @param {string} workspace */
async function add(workspace) {
  const list = await line("New list", { label: "Name", says: "Create", hint: "A list is there as long as it has a task." });
  if (!list) return;
  closeSidebar();
  go({ list, of: workspace, due: "", q: "", labels: [], priority: 0, task: "" });
  document.getElementById("add")?.focus();
}

function leave() {
  login.forget();
  location.reload();
}

/** Shows the sidebar on a narrow screen. */
export function openSidebar() {
  document.body.classList.add("side-open");
  /** @type {HTMLElement | null} */ (side.querySelector("a"))?.focus();
}

/** Hides it there. */
export const closeSidebar = () => document.body.classList.remove("side-open");
