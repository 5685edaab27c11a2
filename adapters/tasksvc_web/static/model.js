// @ts-check
/** What the page knows: the tasks of the view, what is open, and writes that aren't answered yet. */

import { matches } from "./matching.js";
import { rowsOf } from "./order.js";
import { viewOf } from "./view.js";

/**
 * @typedef {{rule: string, zone: string, from: string, start?: string, occurrence?: string, remaining?: number | null}} Repeat
 * @typedef {object} Task
 * @property {string} workspace
 * @property {number} id
 * @property {string} description
 * @property {string} notes
 * @property {boolean} done
 * @property {string | null} completed_at
 * @property {string | null} due_at
 * @property {string | null} due_on
 * @property {number} priority
 * @property {string[]} labels
 * @property {string} list
 * @property {number | null} parent_id
 * @property {string | null} position
 * @property {Repeat | null} repeat
 * @property {number | null} next_id
 * @property {string} created_at
 * @property {string} updated_at
 * @property {number} version
 *
 * @typedef {{name: string, open: number, total: number}} List
 * @typedef {{name: string | null, scope: string, workspaces: string[] | null, home: string}} Me
 * @typedef {{key: number, text: string, undo?: () => Promise<void>, error?: boolean}} Toast
 * @typedef {import("./order.js").Row} Row
 */

/** @param {{workspace: string, id: number}} task */
export const keyOf = (task) => `${task.workspace}/${task.id}`;

class Model {
  /** @type {Me | null} */
  me = null;
  view = viewOf(location.search);
  /** The tasks of the view, as the service has them. @type {Map<string, Task>} */
  tasks = new Map();
  /** The open task and its parts. @type {Task | null} */
  detail = null;
  /** @type {Map<string, Task>} */
  parts = new Map();
  /** Lists by workspace. @type {Map<string, List[]>} */
  lists = new Map();
  /** Tasks that are due today or before, in all of the workspaces. @type {number | null} */
  dueToday = null;
  /** @type {"first" | "more" | ""} what is being loaded */
  loading = "first";
  /** More tasks than are kept. */
  cut = false;
  /** Why nothing can be shown. */
  error = "";
  /** @type {"connecting" | "live" | "cut"} */
  connection = "connecting";
  /** The key of the row that the keyboard means. @type {string | null} */
  active = null;
  /** The row whose text is edited in place. @type {{key: string, base: Task, text: string} | null} */
  editing = null;
  /** Texts of tasks that are being created. @type {string[]} */
  creating = [];
  /** @type {Toast[]} */
  toasts = [];
  /** What a screen reader is told. */
  said = "";

  /** Fields that are written and not yet answered, by key, oldest first. @type {Map<string, Partial<Task>[]>} */
  #overlays = new Map();
  /** @type {Set<string>} */
  #hidden = new Set();
  /** The last versions of tasks that were deleted: an answer that comes late doesn't bring them back. @type {Map<string, number>} */
  #deleted = new Map();
  /** @type {Row[] | null} */
  #rows = null;
  #scheduled = false;
  /** @type {(() => void)[]} */
  #renderers = [];

  /** The workspaces that are shown. */
  get workspaces() {
    return this.view.workspaces.length || !this.me ? this.view.workspaces : [this.me.home];
  }

  /** Whether the caller may write. */
  get writes() {
    return this.me?.scope !== "read";
  }

  /** The rows of the view. @returns {Row[]} */
  get rows() {
    if (this.#rows === null) {
      const shown = [];
      for (const task of this.tasks.values()) {
        const seen = this.seen(task);
        if (seen && matches(seen, this.view)) shown.push(seen);
      }
      this.#rows = rowsOf(shown, this.view.sort);
    }
    return this.#rows;
  }

  /** A task with what is written to it; null while it's being deleted. @param {Task} task @returns {Task | null} */
  seen(task) {
    const key = keyOf(task);
    if (this.#hidden.has(key)) return null;
    const overlays = this.#overlays.get(key);
    return overlays ? Object.assign({}, task, ...overlays) : task;
  }

  /** A task by its key, as far as it's known. @param {string | null} key @returns {Task | null} */
  find(key) {
    if (key === null) return null;
    const detail = this.detail && keyOf(this.detail) === key ? this.detail : null;
    const task = this.tasks.get(key) ?? this.parts.get(key) ?? detail;
    return task ? this.seen(task) : null;
  }

  /** Takes tasks in place of all that were there. @param {Task[]} tasks */
  replace(tasks) {
    this.#deleted.clear();
    this.tasks = new Map(tasks.map((task) => [keyOf(task), task]));
    this.changed();
  }

  /** Takes a version of a task, unless a newer one is known, or it was deleted since. @param {Task} task */
  put(task) {
    const key = keyOf(task);
    if (task.version <= (this.#deleted.get(key) ?? 0)) return;
    const known = this.tasks.get(key);
    if (!known || known.version <= task.version) {
      if (matches(task, this.view)) this.tasks.set(key, task);
      else this.tasks.delete(key);
    }
    const detail = this.detail;
    if (detail && keyOf(detail) === key && detail.version <= task.version) this.detail = task;
    const part = this.parts.get(key);
    if (detail && detail.workspace === task.workspace && task.parent_id === detail.id) {
      if (!part || part.version <= task.version) this.parts.set(key, task);
    } else if (part) this.parts.delete(key);
    this.changed();
  }

  /** Forgets a task that was deleted. @param {string} key @param {number} [version] its last one, if it's known */
  drop(key, version = 0) {
    const known = this.tasks.get(key) ?? this.parts.get(key);
    this.#deleted.set(key, Math.max(version, known?.version ?? 0));
    this.tasks.delete(key);
    this.parts.delete(key);
    if (this.detail && keyOf(this.detail) === key) this.detail = null;
    this.changed();
  }

  /** Shows a write before it's answered. @param {string} key @param {Partial<Task>} patch @returns {() => void} the end of it */
  overlay(key, patch) {
    this.#overlays.set(key, [...(this.#overlays.get(key) ?? []), patch]);
    this.changed();
    return () => {
      const left = (this.#overlays.get(key) ?? []).filter((each) => each !== patch);
      if (left.length) this.#overlays.set(key, left);
      else this.#overlays.delete(key);
      this.changed();
    };
  }

  /** Hides tasks that are being deleted. @param {string[]} keys @returns {() => void} the end of it */
  hide(keys) {
    for (const key of keys) this.#hidden.add(key);
    this.changed();
    return () => {
      for (const key of keys) this.#hidden.delete(key);
      this.changed();
    };
  }

  /** @param {string} text @param {{undo?: () => Promise<void>, error?: boolean}} [more] */
  toast(text, more = {}) {
    const toast = { key: performance.now(), text, ...more };
    this.toasts = [...this.toasts.slice(-2), toast];
    this.again();
    setTimeout(() => this.untoast(toast), more.error ? 12_000 : 8_000);
  }

  /** @param {Toast} toast */
  untoast(toast) {
    this.toasts = this.toasts.filter((other) => other !== toast);
    this.again();
  }

  /** Tells a screen reader something. @param {string} text */
  say(text) {
    this.said = text;
    this.again();
  }

  /** Calls `render` in a frame after each change. @param {() => void} render */
  rendered(render) {
    this.#renderers.push(render);
  }

  /** Has the page rendered in the next frame. */
  changed() {
    this.#rows = null;
    this.again();
  }

  /** Has the page rendered in the next frame, with the same rows. */
  again() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      for (const render of this.#renderers) render();
    });
  }
}

/** The one model of the page. */
export const model = new Model();
