// @ts-check
/** The parts of the open task. */

import { create } from "./changing.js";
import { icon } from "./icons.js";
import { html, nothing } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { go } from "./loading.js";
import { keyOf, model } from "./model.js";
import { orderOf } from "./order.js";
import { tickButton } from "./row.js";

/** @typedef {import("./model.js").Task} Task */

/** @param {Task} task */
export function subtasks(task) {
  const parts = [...model.parts.values()].flatMap((part) => model.seen(part) ?? []).sort(orderOf("manual"));
  const done = parts.filter((part) => part.done).length;
  const add = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (event.currentTarget).elements.namedItem("part"));
    const description = input.value;
    if (!description.trim()) return;
    input.value = "";
    const created = await create(task.workspace, { description, list: task.list, parent_id: task.id });
    if (!created && !input.value) input.value = description;
  };
  if (!parts.length && !model.writes) return nothing;
  return html`
    <section class="parts" aria-label="Subtasks">
      <h2>Subtasks ${parts.length ? html`<span class="count">${done} of ${parts.length}</span>` : nothing}</h2>
      <ul>${repeat(parts, keyOf, (part) => html`
        <li class=${part.done ? "done" : ""}>${tickButton(part, 0)}<button class="part" @click=${() => go({ task: keyOf(part) })}><bdi>${part.description}</bdi></button></li>`)}</ul>
      ${model.writes
        ? html`<form class="add small" @submit=${add}>${icon("plus")}<input name="part" dir="auto" maxlength="10000" autocomplete="off" aria-label="Add a subtask" placeholder="Add a subtask"></form>`
        : nothing}
    </section>`;
}
