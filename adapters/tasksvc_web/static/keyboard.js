// @ts-check
/** What the keyboard does. */

import { change, tick } from "./changing.js";
import { deleteTask } from "./deleting.js";
import { closeDetail } from "./detail.js";
import { closeMenus } from "./header.js";
import { focusList, renderRows, reveal } from "./list.js";
import { go } from "./loading.js";
import { model } from "./model.js";
import { moveBy } from "./moving.js";
import { startEdit } from "./row.js";
import { settings } from "./settings.js";
import { showShortcuts } from "./shortcuts.js";
import { closeSidebar } from "./sidebar.js";
import { undoLast } from "./undo.js";
import { chooseWorkspaces } from "./workspaces.js";

/** The index of the row that the keyboard means, or -1. */
const at = () => model.rows.findIndex((row) => row.key === model.active);

/** The task that a key means: that of the row, or the open one. */
function meant() {
  const index = at();
  if (index >= 0 && document.activeElement?.id === "rows") return model.rows[index].task;
  return (model.detail && model.seen(model.detail)) ?? model.rows[index]?.task ?? null;
}

/** @param {number} index */
function select(index) {
  const rows = model.rows;
  if (!rows.length) return;
  const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
  model.active = row.key;
  focusList();
  reveal(rows.indexOf(row));
}

/** @param {string} id */
const focus = (id) => () => document.getElementById(id)?.focus();

/** Goes to the list before or after the chosen one. @param {1 | -1} step */
function otherList(step) {
  const lists = model.workspaces.flatMap((of) => (model.lists.get(of) ?? []).map(({ name }) => ({ list: name, of })));
  const places = [{ list: "", of: "" }, ...lists];
  const now = places.findIndex(({ list, of }) => list === model.view.list && of === model.view.of);
  const next = places[(Math.max(now, 0) + step + places.length) % places.length];
  go({ ...next, due: "", q: "", labels: [], priority: 0, task: "" });
}

/** Does something with the row and goes to the one that is then in its place. @param {(task: import("./model.js").Task) => void} work */
function here(work) {
  const task = meant();
  if (!task) return;
  const index = at();
  const next = model.rows[index + 1] ?? model.rows[index - 1];
  work(task);
  if (next && index >= 0 && model.active === model.rows[index]?.key && !model.find(model.active)) model.active = next.key;
}

/** @param {1 | -1} step */
function carry(step) {
  const index = at();
  if (index < 0 || model.view.sort !== "manual" || !model.writes) return;
  void moveBy(model.rows, index, step).then(() => reveal(Math.max(at(), 0)));
  reveal(Math.max(at(), 0));
}

/** What changes tasks is done where the keyboard is with them, and not on a link or a button elsewhere. */
const writes = (/** @type {() => void} */ work) => () => {
  const elsewhere = document.activeElement?.closest("#sidebar, #header, #toasts");
  if (model.writes && !elsewhere) work();
};

/** Keys that mean something outside of fields. @type {Record<string, () => void>} */
const KEYS = {
  ArrowDown: () => select(at() + 1),
  ArrowUp: () => select(at() < 0 ? model.rows.length - 1 : at() - 1),
  Home: () => select(0),
  End: () => select(model.rows.length - 1),
  PageDown: () => select(at() + 10),
  PageUp: () => select(at() - 10),
  Enter: () => model.active && go({ task: model.active }),
  F2: writes(() => model.active && startEdit(model.active)),
  Delete: writes(() => here((task) => void deleteTask(task))),
  " ": writes(() => complete()),
  "Alt+ArrowDown": () => carry(1),
  "Alt+ArrowUp": () => carry(-1),
  "Control+z": () => void undoLast(),
  "Meta+z": () => void undoLast(),
};

/** Keys of one letter, which can be turned off for those who speak to their computer (WCAG 2.1.4). @type {Record<string, () => void>} */
const LETTERS = {
  j: KEYS.ArrowDown,
  k: KEYS.ArrowUp,
  x: writes(() => complete()),
  e: KEYS.F2,
  n: focus("add"),
  d: writes(() => opened("due")),
  l: writes(() => opened("new-label")),
  u: () => void undoLast(),
  w: () => void chooseWorkspaces(),
  "/": focus("search"),
  "?": () => void showShortcuts(),
  "[": () => otherList(-1),
  "]": () => otherList(1),
  ...Object.fromEntries([..."0123456789"].map((digit) => [digit, writes(() => prioritize(Number(digit)))])),
};

function complete() {
  const task = meant();
  if (!task) return;
  const index = at();
  void tick(task, !task.done);
  const rows = model.rows;
  if (index >= 0 && !rows.some((row) => row.key === model.active)) {
    model.active = (rows[index] ?? rows[index - 1])?.key ?? null;
    renderRows();
  }
}

/** @param {number} priority */
function prioritize(priority) {
  const task = meant();
  if (task) void change(task, { priority });
}

/** Opens the task and goes to one of its fields. @param {string} id */
function opened(id) {
  if (!model.view.task && model.active) go({ task: model.active });
  setTimeout(() => document.getElementById(id)?.focus(), 50);
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const target = /** @type {Element} */ (event.target);
  if (event.key === "Escape") return escaped(target);
  if (target.closest("input, textarea, select")) return;
  const inControl = target.closest("button, a, summary") !== null;
  if (inControl && ["Enter", " ", "ArrowUp", "ArrowDown"].includes(event.key)) return;
  const modifiers = [event.altKey && "Alt", event.ctrlKey && "Control", event.metaKey && "Meta"].filter(Boolean);
  const name = [...modifiers, event.key].join("+");
  const work = KEYS[name] ?? (settings.letters ? LETTERS[name] : undefined);
  if (!work) return;
  event.preventDefault();
  work();
}

/** @param {Element} target */
function escaped(target) {
  if (document.querySelector("details.menu[open]")) closeMenus(new Event("escape"));
  else if (document.body.classList.contains("side-open")) closeSidebar();
  else if (target instanceof HTMLElement && target.matches("input, textarea, select")) {
    target.blur();
    focusList();
  } else if (model.view.task) closeDetail();
  else if (model.view.q) go({ q: "" });
}

/** Listens to the keyboard. */
export function listen() {
  addEventListener("keydown", pressed);
  document.getElementById("rows")?.addEventListener("focus", () => {
    if (at() < 0 && model.rows.length) model.active = model.rows[0].key;
    renderRows();
  });
}
