// @ts-check
/** What is above the tasks: their title, search and filters, and whether changes arrive. */

import { line } from "./asking.js";
import { deleteDone, deleteList, renameList } from "./deleting.js";
import { icon } from "./icons.js";
import { html, nothing, render } from "./lit-html/lit-html.js";
import { leftAlone } from "./left-alone.js";
import { go } from "./loading.js";
import { model } from "./model.js";
import { outbox, tryNow } from "./repeating.js";
import { openSidebar } from "./sidebar.js";

const TYPING_MS = 200;
const header = /** @type {HTMLElement} */ (document.getElementById("header"));

/** @typedef {import("./view.js").View} View */

/** What the view is called. */
function title() {
  const { view } = model;
  if (view.list) return view.list;
  return view.due === "today" ? "Today" : view.due === "week" ? "Next 7 days" : "All tasks";
}

/** Renders it, and the title of the tab. */
export function renderHeader() {
  const { view, rows } = model;
  document.title = `${title()} – Tasks`;
  const count = model.loading === "first" || model.error ? "" : `${rows.length.toLocaleString()}${model.cut ? "+" : ""}`;
  render(
    html`
      <div class="head">
        <button class="icon-button menu-button" aria-label="Lists" @click=${openSidebar}>${icon("menu")}</button>
        <h1><bdi>${title()}</bdi></h1>
        <span class="head-count">${count}</span>
        <span class="gap"></span>
        ${sign()}
        ${model.writes ? listMenu() : nothing}
      </div>
      <div class="tools">
        <label class="search">${icon("search")}
          <input id="search" type="search" dir="auto" autocomplete="off" placeholder="Search" aria-label="Search texts and notes"
            .value=${leftAlone(view.q)} @input=${type} @change=${search}><kbd aria-hidden="true">/</kbd></label>
        ${filterMenu()}
      </div>
      ${chips()}`,
    header,
  );
}

/** Whether changes arrive, and whether writes are answered. */
function sign() {
  if (model.connection === "cut" || outbox.failing) {
    const writes = outbox.failing === 1 ? "1 change waits" : `${outbox.failing} changes wait`;
    return html`<button class="sign cut" role="status" @click=${tryNow} title="Try again now">${icon("cloud")}<span>${
      outbox.failing ? `Not connected: ${writes}` : "Not connected"
    }</span></button>`;
  }
  if (model.error) return nothing;
  if (outbox.open) return html`<span class="sign" role="status"><i class="dot busy"></i><span>Saving</span></span>`;
  return model.connection === "live"
    ? html`<span class="sign" role="status" title="Changes of others appear at once"><i class="dot"></i><span>Live</span></span>`
    : html`<span class="sign" role="status"><i class="dot busy"></i><span>Connecting</span></span>`;
}

let timer = 0;

/** Searches when nothing was typed for a moment. @param {Event} event */
function type({ currentTarget }) {
  clearTimeout(timer);
  timer = setTimeout(() => search({ currentTarget }), TYPING_MS);
}

/** @param {{currentTarget: EventTarget | null}} event */
function search({ currentTarget }) {
  clearTimeout(timer);
  const q = /** @type {HTMLInputElement} */ (currentTarget).value;
  if (q !== model.view.q) go({ q }, { replace: model.view.q !== "" });
}

function listMenu() {
  const { view, workspaces } = model;
  const rename = async () => {
    const name = await line("Rename list", { label: "Name", value: view.list, says: "Rename", hint: "If there is a list of this name, the two become one." });
    if (name) await renameList(view.of, view.list, name);
  };
  return html`
    <details class="menu">
      <summary class="icon-button" aria-label="More for this list" title="More">${icon("more")}</summary>
      <div class="panel">
        ${view.list ? html`<button @click=${rename}>${icon("edit")}Rename list</button>` : nothing}
        <button @click=${() => deleteDone(view.list ? [view.of] : workspaces, view.list)}>${icon("check")}Delete what is done</button>
        ${view.list ? html`<button class="danger" @click=${() => deleteList(view.of, view.list)}>${icon("trash")}Delete list</button>` : nothing}
      </div>
    </details>`;
}

/**
 * @param {string} label @param {string} value @param {[string, string][]} options values and texts
 * @param {(value: string) => Partial<View>} changes
 */
function choice(label, value, options, changes) {
  const chosen = (/** @type {Event} */ event) => go(changes(/** @type {HTMLSelectElement} */ (event.currentTarget).value));
  return html`<label class="field"><span>${label}</span>
    <select @change=${chosen} .value=${leftAlone(value)}>${options.map(
      ([each, text]) => html`<option value=${each} ?selected=${each === value}>${text}</option>`,
    )}</select></label>`;
}

function filterMenu() {
  const { view } = model;
  const label = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    const input = /** @type {HTMLInputElement} */ (event.currentTarget);
    if (input.value.trim()) go({ labels: [...new Set([...view.labels, input.value.trim()])] });
    input.value = "";
  };
  return html`
    <details class="menu">
      <summary class="button quiet" aria-label="Filter and sort">${icon("filter")}<span>Filter and sort</span></summary>
      <div class="panel fields">
        ${choice("Show", view.show, [["open", "Open"], ["done", "Done"], ["all", "All"]], (show) => ({ show: /** @type {any} */ (show) }))}
        ${choice("Due", view.due, [["", "At any time"], ["today", "Today or before"], ["week", "In the next 7 days"]], (due) => ({ due: /** @type {any} */ (due) }))}
        ${choice("Priority", String(view.priority), [["0", "Any"], ["1", "1 or more"], ["4", "4 or more"], ["7", "7 or more"]], (priority) => ({ priority: Number(priority) }))}
        <label class="field"><span>Label</span><input dir="auto" list="labels" maxlength="100" autocomplete="off" placeholder="Any" @keydown=${label}></label>
        ${choice("Order", view.sort, [["manual", "By hand"], ["due", "Due first"], ["priority", "Most urgent first"], ["newest", "Newest first"], ["changed", "Changed last first"]], (sort) => ({ sort }))}
      </div>
    </details>`;
}

const ORDER_NAMES = /** @type {Record<string, string>} */ ({ due: "Due first", priority: "Most urgent first", newest: "Newest first", changed: "Changed last first" });

/** The filters that are set, each with a button that removes it. */
function chips() {
  const { view } = model;
  /** @type {[string, Partial<View>][]} */
  const set = [];
  if (view.show !== "open") set.push([view.show === "done" ? "Done" : "Open and done", { show: "open" }]);
  if (view.list && view.due) set.push([view.due === "today" ? "Due today" : "Due in 7 days", { due: "" }]);
  if (view.priority) set.push([`Priority ${view.priority} or more`, { priority: 0 }]);
  for (const label of view.labels) set.push([label, { labels: view.labels.filter((other) => other !== label) }]);
  if (view.sort !== "manual") set.push([ORDER_NAMES[view.sort], { sort: "manual" }]);
  if (!set.length) return nothing;
  return html`<ul class="chips" aria-label="Filters">${set.map(
    ([text, changes]) => html`<li class="chip"><bdi>${text}</bdi><button aria-label="Remove ${text}" @click=${() => go(changes)}>${icon("close")}</button></li>`,
  )}</ul>`;
}

/** Closes menus when something else is clicked, or with Escape. */
export function closeMenus(/** @type {Event} */ event) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    const inside = event.target instanceof Node && menu.contains(event.target);
    const chosen = event.target instanceof Element && event.target.closest(".panel button");
    if (!inside || chosen) menu.removeAttribute("open");
  }
}
