// @ts-check
/** The open task: all of its fields, each of which is written when it's left. */

import { change, edit } from "./changing.js";
import { momentText } from "./dates.js";
import { deleteTask } from "./deleting.js";
import { dueFields } from "./due.js";
import { icon } from "./icons.js";
import { labelField } from "./labels.js";
import { html, nothing, render } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { leftAlone } from "./left-alone.js";
import { focusList } from "./list.js";
import { go } from "./loading.js";
import { keyOf, model } from "./model.js";
import { subtasks } from "./subtasks.js";
import { tickButton } from "./row.js";

/** @typedef {import("./model.js").Task} Task */

/** Whether the pane covers the tasks. */
const covering = matchMedia("(max-width: 1100px)");
const pane = /** @type {HTMLElement} */ (document.getElementById("detail"));

/** Texts that are being edited: what the task was when that began, and what is there now. @type {Map<string, {base: Task, text: string}>} */
const drafts = new Map();

/** Renders the pane, or hides it. */
export function renderDetail() {
  const task = model.detail && model.seen(model.detail);
  const opens = pane.hidden && task !== null;
  document.body.classList.toggle("detail-open", task !== null);
  pane.hidden = task === null;
  if (opens && covering.matches) pane.focus();
  // Another task has other fields, so that nothing that is typed goes into the wrong one.
  render(repeat(task ? [task] : [], keyOf, content), pane);
  if (task) for (const area of pane.querySelectorAll("textarea")) fit(area);
}

/** Whether a text is being edited that isn't written yet. */
export const isEditing = () => [...drafts].some(([key, { base, text }]) => text !== base[key.endsWith(" notes") ? "notes" : "description"]);

/** Closes it. */
export function closeDetail() {
  if (document.activeElement instanceof HTMLElement && pane.contains(document.activeElement)) document.activeElement.blur();
  go({ task: "" });
  focusList();
}

/** @param {Task} task */
function content(task) {
  const reads = !model.writes;
  return html`
    <div class="detail-head">
      <bdi class="crumb">${task.workspace} / ${task.list}</bdi>
      <span class="gap"></span>
      ${reads ? nothing : html`<button class="icon-button" aria-label="Delete task" title="Delete (Del)" @click=${() => deleteTask(task)}>${icon("trash")}</button>`}
      <button class="icon-button" aria-label="Close" title="Close (Esc)" @click=${closeDetail}>${icon("close")}</button>
    </div>
    <div class="detail-body">
      <div class="detail-title ${task.done ? "done" : ""}">${tickButton(task, 0)}${textField(task, "description", "Text of the task")}</div>
      <fieldset ?disabled=${reads}>
        ${parentLine(task)}
        ${dueFields(task)}
        <div class="pair">
          <label class="field"><span>Priority</span>
            <select .value=${leftAlone(String(task.priority))} @change=${(/** @type {Event} */ event) => change(task, { priority: Number(valueOf(event)) })}>
              ${[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => html`<option value=${number} ?selected=${number === task.priority}>${number || "None"}</option>`)}
            </select></label>
          <label class="field"><span>List</span>
            <input dir="auto" list="lists" maxlength="100" autocomplete="off" .value=${leftAlone(task.list)}
              @change=${(/** @type {Event} */ event) => valueOf(event).trim() && change(task, { list: valueOf(event).trim() })}></label>
        </div>
        ${labelField(task)}
        <label class="field"><span>Notes</span>${textField(task, "notes", "Notes")}</label>
      </fieldset>
      ${subtasks(task)}
      <p class="dates"><span>Created <bdi>${momentText(task.created_at)}</bdi></span>
        <span>Changed <bdi>${momentText(task.updated_at)}</bdi></span>
        ${task.completed_at ? html`<span>Completed <bdi>${momentText(task.completed_at)}</bdi></span>` : nothing}
        <span>Number ${task.id}</span></p>
    </div>`;
}

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.currentTarget).value;

/** The way to the task that this one is a part of. @param {Task} task */
function parentLine(task) {
  if (task.parent_id === null) return nothing;
  const key = `${task.workspace}/${task.parent_id}`;
  const parent = model.find(key);
  return html`<p class="parent">Part of <a href="#" @click=${(/** @type {Event} */ event) => {
    event.preventDefault();
    go({ task: key });
  }}><bdi>${parent ? parent.description : `task ${task.parent_id}`}</bdi></a>
    <button class="link" @click=${() => change(task, { parent_id: null })}>Make it a task of its own</button></p>`;
}

/** @param {Task} task @param {"description" | "notes"} field @param {string} label */
function textField(task, field, label) {
  const key = `${keyOf(task)} ${field}`;
  const draft = drafts.get(key);
  const begin = () => {
    if (!drafts.has(key)) drafts.set(key, { base: task, text: task[field] });
  };
  const write = (/** @type {Event} */ event) => {
    begin();
    /** @type {any} */ (drafts.get(key)).text = valueOf(event);
    fit(/** @type {HTMLTextAreaElement} */ (event.currentTarget));
  };
  const save = () => {
    const ended = drafts.get(key);
    drafts.delete(key);
    if (ended && (field === "notes" || ended.text.trim())) void edit(ended.base, { [field]: ended.text });
    model.again();
  };
  const keydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    const area = /** @type {HTMLTextAreaElement} */ (event.currentTarget);
    if (event.key === "Enter" && (field === "description" || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      area.blur();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      drafts.delete(key);
      area.value = task[field];
      area.blur();
    }
  };
  return html`<textarea class=${field} dir="auto" rows="1" aria-label=${label} ?readonly=${!model.writes}
    maxlength=${field === "notes" ? 20_000 : 10_000} placeholder=${field === "notes" ? "Add notes" : ""}
    .value=${leftAlone(draft ? draft.text : task[field])} @focus=${begin} @input=${write} @keydown=${keydown} @blur=${save}></textarea>`;
}

/** Makes a text area as high as its text. @param {HTMLTextAreaElement} area */
function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
