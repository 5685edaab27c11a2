// @ts-check
/** Questions in dialogs. */

import { html, nothing, render } from "./lit-html/lit-html.js";

/** Shows a dialog until it's closed. @param {unknown} content a template @param {string} [kind] a class @returns {Promise<string>} what it was closed with */
export function asked(content, kind = "") {
  const dialog = document.createElement("dialog");
  dialog.className = kind;
  dialog.setAttribute("aria-labelledby", "dialog-title");
  document.body.append(dialog);
  render(content, dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue);
      dialog.remove();
    });
  });
}

/** Closes the dialog that an event comes from. @param {Event} event @param {string} [value] */
export function close(event, value = "") {
  /** @type {Element} */ (event.currentTarget).closest("dialog")?.close(value);
}

/**
 * Asks what is to be done.
 *
 * @param {string} title @param {string} text @param {[string, string][]} choices values and what their buttons say
 * @returns {Promise<string>} the value, "" for nothing
 */
export function confirmed(title, text, choices) {
  return asked(html`
    <h2 id="dialog-title"><bdi>${title}</bdi></h2>
    <p>${text}</p>
    <div class="buttons">
      <button class="button" @click=${close}>Cancel</button>
      ${choices.map(
        ([value, says], index) => html`
          <button class="button ${index ? "" : "danger"}" ?autofocus=${index === 0}
            @click=${(/** @type {Event} */ event) => close(event, value)}>${says}</button>`,
      )}
    </div>`);
}

/**
 * Asks for a line of text.
 *
 * @param {string} title @param {{label: string, value?: string, says: string, hint?: string}} question
 * @returns {Promise<string>} the text, "" for none
 */
export async function line(title, { label, value = "", says, hint = "" }) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    close(event, String(new FormData(form).get("line")).trim());
  };
  return asked(html`
    <form @submit=${submit}>
      <h2 id="dialog-title">${title}</h2>
      <label class="field"><span>${label}</span>
        <input name="line" .value=${value} maxlength="100" autocomplete="off" required autofocus></label>
      ${hint ? html`<p class="hint">${hint}</p>` : nothing}
      <div class="buttons">
        <button type="button" class="button" @click=${close}>Cancel</button>
        <button class="button primary">${says}</button>
      </div>
    </form>`);
}
