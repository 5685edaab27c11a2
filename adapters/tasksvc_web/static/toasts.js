// @ts-check
/** What was done or refused, and a button that undoes it. */

import { icon } from "./icons.js";
import { html, nothing, render } from "./lit-html/lit-html.js";
import { repeat } from "./lit-html/directives/repeat.js";
import { model } from "./model.js";

const place = /** @type {HTMLElement} */ (document.getElementById("toasts"));
const told = /** @type {HTMLElement} */ (document.getElementById("said"));

/** Renders them. */
export function renderToasts() {
  if (told.textContent !== model.said) told.textContent = model.said;
  render(
    repeat(model.toasts, (toast) => toast.key, (toast) => html`
      <div class="toast ${toast.error ? "error" : ""}">
        <bdi>${toast.text}</bdi>
        ${toast.undo ? html`<button class="undo" @click=${toast.undo}>Undo</button>` : nothing}
        <button class="icon-button small" aria-label="Dismiss" @click=${() => model.untoast(toast)}>${icon("close")}</button>
      </div>`),
    place,
  );
}
