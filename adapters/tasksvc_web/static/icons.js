// @ts-check
/** Icons, which are symbols in the page. */

import { html } from "./lit-html/lit-html.js";

/** @param {string} name of a symbol in index.html */
export const icon = (name) => html`<svg class="icon" aria-hidden="true"><use href="#i-${name}"></use></svg>`;
