// @ts-check
/** The labels of a task, and suggestions of labels and lists. */

import { change } from "./changing.js";
import { icon } from "./icons.js";
import { html, render } from "./lit-html/lit-html.js";
import { go } from "./loading.js";
import { model } from "./model.js";

const SUGGESTED = 200;

/** @param {import("./model.js").Task} task */
export function labelField(task) {
  const write = (/** @type {string[]} */ labels) => change(task, { labels: [...new Set(labels)].sort() });
  const add = (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.currentTarget);
    const label = input.value.trim();
    input.value = "";
    if (label && !task.labels.includes(label)) void write([...task.labels, label]);
  };
  const keydown = (/** @type {KeyboardEvent} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.currentTarget);
    if ((event.key === "Enter" || event.key === ",") && !event.isComposing) {
      event.preventDefault();
      add(event);
    } else if (event.key === "Backspace" && !input.value && task.labels.length) void write(task.labels.slice(0, -1));
  };
  return html`
    <div class="field"><label for="new-label">Labels</label>
      <div class="label-box">
        ${task.labels.map(
          (label) => html`<span class="chip"><button class="chip-text" title="Show tasks with this label" @click=${() => go({ labels: [label] })}><bdi>${label}</bdi></button><button
            aria-label="Remove the label ${label}" @click=${() => write(task.labels.filter((other) => other !== label))}>${icon("close")}</button></span>`,
        )}
        <input id="new-label" dir="auto" list="labels" maxlength="100" autocomplete="off" placeholder="Add" @keydown=${keydown} @change=${add}>
      </div></div>`;
}

/** Renders what fields suggest: labels of tasks that are shown, and lists. */
export function renderSuggestions() {
  const labels = new Set();
  for (const task of model.tasks.values()) {
    for (const label of task.labels) labels.add(label);
    if (labels.size >= SUGGESTED) break;
  }
  const lists = new Set([...model.lists.values()].flat().map((list) => list.name));
  const options = (/** @type {Set<string>} */ names) => [...names].sort().map((name) => html`<option value=${name}></option>`);
  render(options(labels), /** @type {HTMLElement} */ (document.getElementById("labels")));
  render(options(lists), /** @type {HTMLElement} */ (document.getElementById("lists")));
}
