// @ts-check
/** Days and times as people read them, in their language and their time zone. */

const DAY_MS = 86_400_000;
const language = navigator.language || "en";

/** Local midnight, some days from today. @param {number} days */
export function startOfDay(days) {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
}

/** A time of RFC 3339 with the local offset. @param {Date} date */
export function withOffset(date) {
  const minutes = -date.getTimezoneOffset();
  const sign = minutes < 0 ? "-" : "+";
  const offset = `${sign}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${dayOf(date)}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${offset}`;
}

/** The local day, as 2026-12-01. @param {Date} date */
export const dayOf = (date) => `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

/** The local time, as 09:30. @param {Date} date */
export const timeOf = (date) => `${two(date.getHours())}:${two(date.getMinutes())}`;

const two = (/** @type {number} */ number) => String(number).padStart(2, "0");

/** When a task is due, as a local time; null if it isn't. @param {{due_on: string | null, due_at: string | null}} task */
export function dueOf(task) {
  if (task.due_at) return new Date(task.due_at);
  if (!task.due_on) return null;
  const [year, month, day] = task.due_on.split("-").map(Number);
  const date = new Date(2000, month - 1, day);
  date.setFullYear(year);
  return date;
}

const weekday = new Intl.DateTimeFormat(language, { weekday: "long" });
const sameYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const anyYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const NEAR = new Map([[-1, "Yesterday"], [0, "Today"], [1, "Tomorrow"]]);

/**
 * A due as a short text, and whether it has passed.
 *
 * @param {{due_on: string | null, due_at: string | null, done: boolean}} task
 * @returns {{text: string, state: "late" | "today" | "soon" | ""} | null}
 */
export function dueText(task) {
  const due = dueOf(task);
  if (!due) return null;
  const midnight = new Date(due.getFullYear(), due.getMonth(), due.getDate());
  const days = Math.round((midnight.getTime() - startOfDay(0).getTime()) / DAY_MS);
  let text = NEAR.get(days) ?? (days > 1 && days < 7 ? weekday.format(due) : "");
  text ||= (due.getFullYear() === new Date().getFullYear() ? sameYear : anyYear).format(due);
  if (task.due_at) text += `, ${clock.format(due)}`;
  if (task.done) return { text, state: "" };
  const late = days < 0 || (task.due_at !== null && due.getTime() < Date.now());
  return { text, state: late ? "late" : days === 0 ? "today" : days === 1 ? "soon" : "" };
}

/** @param {string} time of the service */
export const momentText = (time) => whole.format(new Date(time));
