// @ts-check
/** The rows of the view: only those that can be seen are in the document, however many there are. */

import { addRow, emptyText } from "./adding.js";
import { dropLine, isDragged } from "./dragging.js";
import { html, nothing, render } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { model } from "./model.js";
import { rowTemplate } from "./row.js";

/** Rows that are kept ready above and below what is seen. */
const AROUND = 10;
/** Rows by which the window moves at once. */
const STEP = 5;

const scroller = /** @type {HTMLElement} */ (document.getElementById("rows"));
const space = /** @type {HTMLElement} */ (scroller.querySelector(".space"));
const shown = /** @type {HTMLElement} */ (scroller.querySelector(".window"));
const around = /** @type {HTMLElement} */ (document.getElementById("around"));

let height = 44;
let start = -1;
let end = -1;

/** The pixels of a row, which the style sheet says. */
export const rowHeight = () => height;

/** Renders the rows, and what is above and below them. */
export function renderList() {
  height = parseFloat(getComputedStyle(scroller).getPropertyValue("--row")) || 44;
  const rows = model.rows;
  space.style.height = `${rows.length * height}px`;
  scroller.setAttribute("aria-rowcount", String(rows.length));
  scroller.setAttribute("aria-busy", String(model.loading !== ""));
  scroller.classList.toggle("stale", model.loading === "first" && rows.length > 0);
  start = -1;
  renderWindow();
  render([addRow(), rows.length ? nothing : emptyText()], around);
  scroller.hidden = rows.length === 0;
}

/** Renders the rows that can be seen now, if they aren't there. */
function renderWindow() {
  const rows = model.rows;
  const first = Math.floor(scroller.scrollTop / height);
  const count = Math.ceil(scroller.clientHeight / height) || 1;
  const from = Math.max(0, Math.floor((first - AROUND) / STEP) * STEP);
  const to = Math.min(rows.length, Math.ceil((first + count + AROUND) / STEP) * STEP);
  if (from === start && to === end) return;
  [start, end] = [from, to];
  shown.style.transform = `translateY(${from * height}px)`;
  const active = rows.findIndex((row) => row.key === model.active);
  if (active >= from && active < to) scroller.setAttribute("aria-activedescendant", `row-${model.active}`);
  else scroller.removeAttribute("aria-activedescendant");
  render(
    html`${repeat(
      rows.slice(from, to),
      (row) => row.key,
      (row, offset) => rowTemplate(row, from + offset, isDragged(row.key)),
    )}${dropLine(from, height)}`,
    shown,
  );
}

/** Renders the rows again that can be seen, for something that isn't a change of tasks. */
export function renderRows() {
  start = -1;
  renderWindow();
}

/** Scrolls as far as needed to see a row. @param {number} index */
export function reveal(index) {
  const top = index * height;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height - scroller.clientHeight;
  renderRows();
}

/** Gives the keyboard to the rows. */
export const focusList = () => scroller.focus({ preventScroll: true });

/** Goes back to the first row. */
export const toTop = () => {
  scroller.scrollTop = 0;
};

scroller.addEventListener("scroll", renderWindow, { passive: true });
new ResizeObserver(() => model.again()).observe(scroller);
