// @ts-check
/** The question for a token. */

import { login } from "./api.js";
import { asked, close } from "./asking.js";
import { html, nothing } from "./lit-html/lit-html.js";

/** Has the page ask for a token where the service requires one. */
export function askForTokens() {
  login.ask = async (refused) => {
    for (;;) {
      const token = await question(refused);
      if (token) return token;
    }
  };
}

/** @param {boolean} refused */
function question(refused) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    close(event, String(form.get("token")).trim().replace(/^Bearer\s+/i, ""));
  };
  return asked(
    html`
      <form @submit=${submit}>
        <h2 id="dialog-title">Your token</h2>
        <p>This service shows tasks to those who have a token. Whoever runs it creates one with <code>tasksvc token create</code>.</p>
        ${refused ? html`<p class="error" role="alert">The service doesn’t accept the token that it was given. It may have been revoked, or have expired.</p>` : nothing}
        <label class="field"><span>Token</span>
          <input name="token" type="password" autocomplete="off" spellcheck="false" pattern="[!-~]+" required autofocus></label>
        <p class="hint">It is kept until you close this tab, and sent to this service alone.</p>
        <div class="buttons"><button class="button primary">Show tasks</button></div>
      </form>`,
    "token",
  );
}
