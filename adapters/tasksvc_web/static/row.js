// @ts-check
/** One row: a task in short, or its text being edited in place. */

import { edit, tick } from "./changing.js";
import { dueText } from "./dates.js";
import { startDrag } from "./dragging.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit-html/lit-html.js";
import { focusList, renderRows } from "./list.js";
import { go } from "./loading.js";
import { model } from "./model.js";

/** @typedef {import("./order.js").Row} Row @typedef {import("./model.js").Task} Task */

/** Characters of a text that a row has room for at most. */
const SHOWN = 300;
const LABELS = 3;

/** @param {Row} row @param {number} index among all rows @param {boolean} dragged */
export function rowTemplate({ key, task, level }, index, dragged) {
  const editing = model.editing?.key === key ? model.editing : null;
  const active = model.active === key;
  const open = model.view.task === key;
  const classes = ["row", task.done && "done", active && "active", open && "open", dragged && "dragged"];
  const choose = () => {
    model.active = key;
    go({ task: key });
  };
  return html`
    <div role="row" id="row-${key}" class=${classes.filter(Boolean).join(" ")} data-level=${Math.min(level, 4)}
      aria-level=${level + 1} aria-rowindex=${index + 1} aria-selected=${open}>
      <div role="gridcell" class="cell-handle">${
        model.view.sort === "manual" && model.writes
          ? html`<span class="handle" title="Drag to move" @pointerdown=${(/** @type {PointerEvent} */ event) => startDrag(event, index)}>${icon("grip")}</span>`
          : nothing
      }</div>
      <div role="gridcell" class="cell-tick">${tickButton(task)}</div>
      <div role="gridcell" class="cell-text" @click=${editing ? nothing : choose} @dblclick=${() => startEdit(key)}>${
        editing ? editor(editing) : html`<bdi class="text">${firstLine(task.description)}</bdi>`
      }</div>
      <div role="gridcell" class="cell-more" @click=${choose}>${details(task)}</div>
    </div>`;
}

/** @param {string} text */
const firstLine = (text) => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** A button that ticks a task. @param {Task} task @param {number} [tab] whether the Tab key reaches it: 0, or -1 for no */
export function tickButton(task, tab = -1) {
  return html`<button class="tick" role="checkbox" tabindex=${tab} aria-checked=${task.done} data-priority=${urgency(task)}
    aria-label="Done: ${firstLine(task.description)}" ?disabled=${!model.writes}
    @click=${() => tick(task, !task.done)}>${icon("check")}</button>`;
}

/** How urgent a task looks: its priority in four steps. @param {Task} task */
export const urgency = ({ priority }) => (priority >= 7 ? 3 : priority >= 4 ? 2 : priority >= 1 ? 1 : 0);

/** @param {Task} task */
function details(task) {
  const due = dueText(task);
  const several = model.workspaces.length > 1;
  const labels = task.labels.slice(0, LABELS);
  return html`
    ${labels.map((label) => html`<bdi class="label">${label}</bdi>`)}
    ${task.labels.length > LABELS ? html`<span class="label">+${task.labels.length - LABELS}</span>` : nothing}
    ${model.view.list ? nothing : html`<bdi class="list-name">${task.list}</bdi>`}
    ${several ? html`<bdi class="workspace">${task.workspace}</bdi>` : nothing}
    ${task.notes ? html`<span class="mark" title="Has notes">${icon("notes")}<span class="unseen">Has notes.</span></span>` : nothing}
    ${task.repeat ? html`<span class="mark" title="Repeats">${icon("repeat")}<span class="unseen">Repeats.</span></span>` : nothing}
    ${due ? html`<span class="due" data-state=${due.state}>${icon("calendar")}${due.text}</span>` : nothing}`;
}

/** Begins to edit the text of a row in place. @param {string} key */
export function startEdit(key) {
  const task = model.find(key);
  if (!task || !model.writes) return;
  model.active = key;
  model.editing = { key, base: task, text: task.description };
  renderRows();
  const input = document.querySelector(".row .edit");
  if (input instanceof HTMLInputElement) input.select();
}

/** @param {{key: string, base: Task, text: string}} editing */
function editor(editing) {
  const end = (/** @type {boolean} */ saves) => {
    if (model.editing !== editing) return;
    model.editing = null;
    renderRows();
    if (saves && editing.text.trim()) void edit(editing.base, { description: editing.text });
  };
  const keydown = (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    end(event.key === "Enter");
    focusList();
  };
  const write = (/** @type {InputEvent} */ event) => {
    editing.text = /** @type {HTMLInputElement} */ (event.currentTarget).value;
  };
  return html`<input class="edit" dir="auto" maxlength="10000" aria-label="Text of the task" .value=${editing.base.description}
    @input=${write} @keydown=${keydown} @blur=${() => end(true)}>`;
}
