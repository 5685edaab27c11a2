// @ts-check
/** Starts the page. */

import { isEditing, renderDetail } from "./detail.js";
import { closeMenus, renderHeader } from "./header.js";
import { listen } from "./keyboard.js";
import { renderSuggestions } from "./labels.js";
import { renderList, toTop } from "./list.js";
import { load, shown } from "./loading.js";
import { model } from "./model.js";
import { outbox } from "./repeating.js";
import { settings } from "./settings.js";
import { closeSidebar, renderSidebar } from "./sidebar.js";
import { renderToasts } from "./toasts.js";
import { askForTokens } from "./token.js";
import { searchOf, viewOf } from "./view.js";

settings.apply();
askForTokens();
let last = "";
model.rendered(() => {
  const view = searchOf({ ...model.view, task: "" });
  if (view !== last) toTop();
  last = view;
  renderHeader();
  renderList();
  renderSidebar();
  renderDetail();
  renderToasts();
  renderSuggestions();
});
outbox.changed = () => model.again();
listen();

addEventListener("popstate", () => {
  const before = model.view;
  model.view = viewOf(location.search);
  if (model.view.list && !model.view.of) model.view.of = model.workspaces[0];
  shown(before);
});
addEventListener("click", closeMenus);
addEventListener("focusout", () => model.again()); // a field that is left shows what the task has
addEventListener("beforeunload", (event) => {
  if (outbox.open || isEditing()) event.preventDefault();
});
document.getElementById("veil")?.addEventListener("click", closeSidebar);
// At midnight, and after a sleep, "today" is another day.
let day = new Date().toDateString();
setInterval(() => {
  const today = new Date().toDateString();
  if (today !== day) void load();
  day = today;
}, 30_000);

model.changed();
void load();
