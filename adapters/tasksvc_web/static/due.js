// @ts-check
/** When a task is due, and how it repeats. */

import { change, skip } from "./changing.js";
import { dayOf, dueOf, timeOf, withOffset } from "./dates.js";
import { html, nothing } from "./lit-html/lit-html.js";
import { leftAlone } from "./left-alone.js";
import { model } from "./model.js";

/** @typedef {import("./model.js").Task} Task */

/** Rules that have a name. @type {[string, string][]} */
const RULES = [
  ["FREQ=DAILY", "Every day"],
  ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "Every weekday"],
  ["FREQ=WEEKLY", "Every week"],
  ["FREQ=WEEKLY;INTERVAL=2", "Every two weeks"],
  ["FREQ=MONTHLY", "Every month"],
  ["FREQ=YEARLY", "Every year"],
];
const FROM = /** @type {[string, string][]} */ ([
  ["schedule", "from the schedule"],
  ["each", "without leaving one out"],
  ["completion", "from its completion"],
]);
const OWN = "own";

/** Tasks whose rule is written by hand. @type {Set<string>} */
const byHand = new Set();

/** @param {Event} event */
const valueOf = (event) => /** @type {HTMLInputElement} */ (event.currentTarget).value;

/** The due that a day and a time make. @param {string} day "" for none @param {string} time "" for the whole day @returns {Partial<Task>} */
function dueFrom(day, time) {
  if (!day) return { due_on: null, due_at: null };
  return time ? { due_at: withOffset(new Date(`${day}T${time}`)) } : { due_on: day };
}

/** @param {Task} task */
export function dueFields(task) {
  const due = dueOf(task);
  const day = due ? dayOf(due) : "";
  const time = due && task.due_at ? timeOf(due) : "";
  const write = (/** @type {string} */ newDay, /** @type {string} */ newTime) => {
    if (newDay === day && newTime === time) return;
    if (newDay && Number(newDay.slice(0, 4)) < 1900) return; // a year that is still being typed
    void change(task, dueFrom(newDay, newTime));
  };
  return html`
    <div class="pair">
      <label class="field"><span>Due</span>
        <input id="due" type="date" max="9999-12-31" .value=${leftAlone(day)} @change=${(/** @type {Event} */ event) => write(valueOf(event), time)}></label>
      <label class="field"><span>Time</span>
        <input type="time" ?disabled=${!day} .value=${leftAlone(time)} @change=${(/** @type {Event} */ event) => write(day, valueOf(event))}></label>
    </div>
    ${day || task.repeat ? repeatFields(task) : nothing}`;
}

/** The name of a rule in RULES, which the service may have completed with the day of the due. @param {string} rule */
function named(rule) {
  const found = RULES.find(([known]) => known === rule);
  if (found) return found[0];
  const added = /^(FREQ=(?:WEEKLY(?:;INTERVAL=2)?|MONTHLY|YEARLY))(?:;BYMONTH=\d+)?(?:;BYDAY=\w\w|;BYMONTHDAY=[\d,]+(?:;BYSETPOS=-1)?)$/.exec(rule);
  return added && RULES.some(([known]) => known === added[1]) ? added[1] : null;
}

/** @param {Task} task */
function repeatFields(task) {
  const key = `${task.workspace}/${task.id}`;
  const repeat = task.repeat;
  const known = repeat ? named(repeat.rule) : "";
  const chosen = byHand.has(key) || known === null ? OWN : known;
  const zone = repeat?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
  const write = (/** @type {string} */ rule, /** @type {string} */ from) => {
    byHand.delete(key);
    void change(task, { repeat: rule ? { rule, zone, from } : null });
  };
  const choose = (/** @type {Event} */ event) => {
    const rule = valueOf(event);
    if (rule !== OWN) return write(rule, repeat?.from ?? "schedule");
    byHand.add(key);
    model.again();
  };
  return html`
    <div class="pair">
      <label class="field"><span>Repeats</span>
        <select .value=${leftAlone(chosen)} @change=${choose}>
          ${[["", "Never"], ...RULES, [OWN, "By a rule"]].map(([rule, text]) => html`<option value=${rule} ?selected=${rule === chosen}>${text}</option>`)}
        </select></label>
      ${repeat
        ? html`<label class="field"><span>Counted</span>
            <select .value=${leftAlone(repeat.from)} @change=${(/** @type {Event} */ event) => write(repeat.rule, valueOf(event))}>
              ${FROM.map(([from, text]) => html`<option value=${from} ?selected=${from === repeat.from}>${text}</option>`)}
            </select></label>`
        : nothing}
    </div>
    ${chosen === OWN
      ? html`<label class="field"><span>Rule (RFC 5545)</span>
          <input maxlength="500" spellcheck="false" autocomplete="off" placeholder="FREQ=MONTHLY;BYDAY=1MO" .value=${leftAlone(repeat?.rule ?? "")}
            @change=${(/** @type {Event} */ event) => valueOf(event).trim() && write(valueOf(event).trim(), repeat?.from ?? "schedule")}></label>`
      : nothing}
    ${repeat && !task.done ? html`<button class="link" @click=${() => skip(task)}>Skip to the next one</button>` : nothing}`;
}
