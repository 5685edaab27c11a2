// @ts-check
/** How the page looks in this browser: light or dark, and the direction of its text. */

import { BASE } from "./api.js";
import { icon } from "./icons.js";
import { html } from "./lit-html/lit-html.js";
import { leftAlone } from "./left-alone.js";
import { model } from "./model.js";

const KEY = `tasksvc-settings ${BASE.pathname}`;
const RIGHT_TO_LEFT = /^(ar|ckb|dv|fa|he|iw|ks|ps|sd|ug|ur|yi)\b/;

/** @returns {Record<string, any>} */
function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {}; // the browser keeps nothing, or something else was kept
  }
}

/** What people chose. */
export const settings = {
  /** @type {"" | "light" | "dark"} "" is what the system says */
  theme: "",
  /** @type {"" | "ltr" | "rtl"} "" is what the language of the browser says */
  direction: "",
  /** Whether single letters are shortcuts. */
  letters: true,
  ...kept(),

  /** Changes some, and keeps all. @param {{theme?: any, direction?: any, letters?: boolean}} changes */
  set(changes) {
    Object.assign(this, changes);
    const { theme, direction, letters } = this;
    try {
      localStorage.setItem(KEY, JSON.stringify({ theme, direction, letters }));
    } catch {
      // It counts for this page only.
    }
    this.apply();
    model.changed();
  },

  /** Makes the page look like it. */
  apply() {
    const root = document.documentElement;
    root.dataset.theme = this.theme;
    root.dir = this.direction || (RIGHT_TO_LEFT.test(navigator.language) ? "rtl" : "ltr");
  },
};

/** The menu in which people choose. */
export function settingsMenu() {
  const choice = (/** @type {"theme" | "direction"} */ name, /** @type {string} */ label, /** @type {[string, string][]} */ options) => html`
    <label class="field"><span>${label}</span>
      <select .value=${leftAlone(settings[name])} @change=${(/** @type {Event} */ event) => settings.set({ [name]: /** @type {HTMLSelectElement} */ (event.currentTarget).value })}>
        ${options.map(([value, text]) => html`<option value=${value} ?selected=${value === settings[name]}>${text}</option>`)}
      </select></label>`;
  return html`
    <details class="menu up">
      <summary class="side-button">${icon("gear")}<span>Settings</span></summary>
      <div class="panel fields">
        ${choice("theme", "Colours", [["", "As the system"], ["light", "Light"], ["dark", "Dark"]])}
        ${choice("direction", "Direction", [["", "As the language"], ["ltr", "Left to right"], ["rtl", "Right to left"]])}
        <a class="link" href="docs" target="_blank" rel="noopener">The API behind this page</a>
      </div>
    </details>`;
}
