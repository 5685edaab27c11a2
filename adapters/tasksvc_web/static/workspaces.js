// @ts-check
/** Which workspaces are shown together. */

import { request } from "./api.js";
import { asked, close } from "./asking.js";
import { html, nothing } from "./lit-html/lit-html.js";
import { go } from "./loading.js";
import { model } from "./model.js";

const NAME = "[A-Za-z0-9._~\\-]{1,100}";

/** Asks for them. */
export async function chooseWorkspaces() {
  const { me, workspaces } = model;
  if (!me) return;
  const known = new Set([me.home, ...workspaces, ...(me.workspaces ?? (await listed()))]);
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const chosen = [...data.getAll("workspace"), data.get("other")].map(String).filter((name) => name && name !== "null");
    const names = [...new Set(chosen)];
    close(event);
    if (names.length) go({ workspaces: names.length === 1 && names[0] === me.home ? [] : names, list: "", of: "", task: "" });
  };
  await asked(html`
    <form @submit=${submit}>
      <h2 id="dialog-title">Workspaces</h2>
      <p>The tasks of all chosen workspaces are shown together.</p>
      <div class="checks">${[...known].sort().map(
        (name) => html`<label class="check"><input type="checkbox" name="workspace" value=${name} ?checked=${workspaces.includes(name)}>
          <bdi>${name}</bdi>${name === me.home ? html`<span class="hint">home</span>` : nothing}</label>`,
      )}</div>
      ${me.workspaces
        ? nothing
        : html`<label class="field"><span>Another one, by its name</span><input name="other" pattern=${NAME} autocomplete="off" title="Letters, digits and . _ ~ -"></label>`}
      <div class="buttons">
        <button type="button" class="button" @click=${close}>Cancel</button>
        <button class="button primary">Show</button>
      </div>
    </form>`);
}

/** Workspaces that administrators may list. @returns {Promise<string[]>} */
async function listed() {
  if (model.me?.scope !== "admin") return [];
  try {
    const answer = await (await request("GET", "workspaces/", { query: new URLSearchParams({ limit: "100" }) })).json();
    return answer.map((/** @type {any} */ each) => each.name);
  } catch {
    return [];
  }
}
