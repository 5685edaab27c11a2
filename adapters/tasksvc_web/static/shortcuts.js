// @ts-check
/** The sheet that says what the keyboard does. */

import { asked, close } from "./asking.js";
import { html } from "./lit-html/lit-html.js";
import { settings } from "./settings.js";

/** @type {[string, [string[], string][]][]} */
const SHEET = [
  ["Go", [
    [["↓", "j"], "Next task"],
    [["↑", "k"], "Task before"],
    [["Home", "End"], "First, last task"],
    [["Enter"], "Open the task"],
    [["Esc"], "Close, or leave a field"],
    [["/"], "Search"],
    [["[", "]"], "List before, next list"],
    [["w"], "Choose workspaces"],
    [["?"], "This sheet"],
  ]],
  ["Change", [
    [["n"], "New task"],
    [["Space", "x"], "Complete, or reopen"],
    [["F2", "e"], "Edit in place"],
    [["d"], "Due"],
    [["l"], "Labels"],
    [["0", "…", "9"], "Priority"],
    [["Alt", "↑"], "Move up"],
    [["Alt", "↓"], "Move down"],
    [["Del"], "Delete"],
    [["Ctrl", "Z"], "Undo"],
  ]],
];

/** Shows it. */
export function showShortcuts() {
  const toggle = (/** @type {Event} */ event) => settings.set({ letters: /** @type {HTMLInputElement} */ (event.currentTarget).checked });
  return asked(
    html`
      <h2 id="dialog-title">Keyboard shortcuts</h2>
      <div class="sheet">
        ${SHEET.map(
          ([title, keys]) => html`<section><h3>${title}</h3><dl>${keys.map(
            ([names, text]) => html`<div><dt>${names.map((name) => html`<kbd>${name}</kbd>`)}</dt><dd>${text}</dd></div>`,
          )}</dl></section>`,
        )}
      </div>
      <label class="check"><input type="checkbox" ?checked=${settings.letters} @change=${toggle}> Keys of a single letter</label>
      <div class="buttons"><button class="button primary" autofocus @click=${close}>Close</button></div>`,
    "wide",
  );
}
