// @ts-check
/** Drags rows to another place, with a mouse, a finger or a pen. */

import { html, nothing } from "./lit-html/lit-html.js";
import { renderRows, rowHeight } from "./list.js";
import { model } from "./model.js";
import { move, placeAt } from "./moving.js";

const EDGE = 48;
const FASTEST = 14;

/** @type {{key: string, to: number | null, level: number} | null} */
let drag = null;

/** @param {string} key */
export const isDragged = (key) => drag?.key === key;

/** The line where the row would come. @param {number} first the first row of the window @param {number} height */
export function dropLine(first, height) {
  if (!drag || drag.to === null) return nothing;
  const top = (drag.to - first) * height;
  return html`<div class="drop-line" role="presentation" data-level=${Math.min(drag.level, 4)}
    .style=${`transform: translateY(${top}px)`}></div>`;
}

/** Where the dragged row is now. */
const place = () => model.rows.findIndex((row) => row.key === drag?.key);

/** @param {PointerEvent} event on a handle @param {number} from the index of its row */
export function startDrag(event, from) {
  if (event.button !== 0) return;
  event.preventDefault();
  const scroller = /** @type {HTMLElement} */ (document.getElementById("rows"));
  drag = { key: model.rows[from].key, to: null, level: 0 };
  scroller.setPointerCapture(event.pointerId);
  let y = event.clientY;
  let frame = 0;

  const follow = () => {
    if (!drag) return;
    const box = scroller.getBoundingClientRect();
    const up = Math.max(0, box.top + EDGE - y);
    const down = Math.max(0, y - (box.bottom - EDGE));
    scroller.scrollTop += Math.min(FASTEST, down / 3) - Math.min(FASTEST, up / 3);
    const rows = model.rows;
    const to = Math.min(Math.max(Math.round((y - box.top + scroller.scrollTop) / rowHeight()), 0), rows.length);
    const at = place();
    drag.to = at >= 0 && placeAt(rows, at, to) ? to : null;
    drag.level = rows[to]?.level ?? 0;
    renderRows();
    frame = requestAnimationFrame(follow);
  };
  const moved = (/** @type {PointerEvent} */ next) => {
    y = next.clientY;
    frame ||= requestAnimationFrame(follow);
  };
  const end = (/** @type {Event} */ last) => {
    cancelAnimationFrame(frame);
    for (const [name, listener] of listeners) removeEventListener(name, listener, true);
    const to = last.type === "pointerup" ? drag?.to : null;
    const at = place();
    drag = null;
    renderRows();
    if (to !== null && to !== undefined && at >= 0) void move(at, to);
  };
  const key = (/** @type {KeyboardEvent} */ pressed) => {
    if (pressed.key !== "Escape") return;
    pressed.stopPropagation();
    end(pressed);
  };
  const listeners = /** @type {[string, any][]} */ ([
    ["pointermove", moved],
    ["pointerup", end],
    ["pointercancel", end],
    ["keydown", key],
  ]);
  for (const [name, listener] of listeners) addEventListener(name, listener, true);
}
