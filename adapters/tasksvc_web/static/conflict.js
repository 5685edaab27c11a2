// @ts-check
/** Two versions of a text, of which people choose one. */

import { asked, close } from "./asking.js";
import { html } from "./lit-html/lit-html.js";

/** @typedef {import("./model.js").Task} Task */

let last = /** @type {Promise<unknown>} */ (Promise.resolve());

/**
 * Shows the own version of a text and that of somebody else, one question after another.
 *
 * @param {"description" | "notes"} field @param {string} mine @param {Task} current the task as it is now
 * @returns {Promise<string | null>} what is to be written, null for leaving the task as it is
 */
export function askWhichVersion(field, mine, current) {
  const answer = last.then(() => question(field, mine, current));
  last = answer.catch(() => {});
  return answer;
}

/** @param {"description" | "notes"} field @param {string} mine @param {Task} current */
async function question(field, mine, current) {
  let text = mine;
  const what = field === "notes" ? "notes" : "text";
  const rows = field === "notes" ? 8 : 3;
  const write = (/** @type {InputEvent} */ event) => {
    text = /** @type {HTMLTextAreaElement} */ (event.currentTarget).value;
  };
  const chosen = await asked(
    html`
      <h2 id="dialog-title">Somebody else has changed the ${what}</h2>
      <p>It was changed while you were editing it. Nothing is lost: choose one version, or make one of both.</p>
      <div class="versions">
        <label class="field"><span>Your version</span>
          <textarea class="mine" dir="auto" rows=${rows} .value=${mine} @input=${write}></textarea></label>
        <label class="field"><span>The version of the service</span>
          <textarea class="theirs" dir="auto" rows=${rows} .value=${current[field]} readonly></textarea></label>
      </div>
      <div class="buttons">
        <button class="button" @click=${(/** @type {Event} */ event) => close(event, "theirs")}>Keep theirs</button>
        <button class="button primary" @click=${(/** @type {Event} */ event) => close(event, "mine")}>Write yours</button>
      </div>`,
    "wide",
  );
  return chosen === "mine" ? text : null;
}
