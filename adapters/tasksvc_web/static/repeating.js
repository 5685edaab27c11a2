// @ts-check
/** Repeats what the service didn't answer, or asked to repeat, until it is answered. */

import { Problem, Unreachable, request } from "./api.js";

const AGAIN = new Set([408, 425, 429, 502, 503, 504]);
const LONGEST_SECONDS = 15;
const PATIENCE_MS = 30_000;

const waiting = new EventTarget();

/** Lets everything that waits for its next try have it now. */
export const tryNow = () => waiting.dispatchEvent(new Event("now"));
addEventListener("online", tryNow);

/** Writes that aren't answered yet, and those of them that have failed at least once. */
export const outbox = {
  open: 0,
  failing: 0,
  /** Is called when either changes. */
  changed: () => {},
};

/**
 * The seconds until something that failed is tried again; null if that doesn't help.
 *
 * @param {unknown} error @param {number} failures how many there were before it
 */
export function pauseAfter(error, failures) {
  const backoff = Math.min(0.5 * 2 ** failures, LONGEST_SECONDS);
  if (error instanceof Unreachable) return backoff;
  if (!(error instanceof Problem) || !AGAIN.has(error.status)) return null;
  const asked = Number(error.headers.get("Retry-After") ?? NaN);
  return Number.isFinite(asked) ? Math.max(asked, 0.2) : backoff;
}

/** @param {number} seconds @param {AbortSignal} [signal] @returns {Promise<void>} which ends early at tryNow() */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      waiting.removeEventListener("now", end);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(end, seconds * 1_000);
    waiting.addEventListener("now", end);
    signal?.addEventListener("abort", end);
  });
}

/**
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {{signal?: AbortSignal, failed?: (error: Error) => void}} [more] `failed` is told of each failure
 * @returns {Promise<T>}
 */
export async function repeated(attempt, { signal, failed } = {}) {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      const seconds = pauseAfter(error, failures);
      if (seconds === null) throw error;
      failed?.(/** @type {Error} */ (error));
      await pause(seconds, signal);
    }
  }
}

/** A key for one write, also on a page without a secure context, where randomUUID() is missing. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");

/**
 * Sends a write once, however often it has to be repeated: all repetitions have one Idempotency-Key.
 *
 * @param {string} method @param {string} path
 * @param {{query?: URLSearchParams, body?: unknown, headers?: Record<string, string>}} [more]
 * @returns {Promise<Response>}
 */
export async function write(method, path, { query, body, headers = {} } = {}) {
  const sent = { ...headers, "Idempotency-Key": newKey() };
  let failing = false;
  outbox.open++;
  outbox.changed();
  try {
    return await repeated(
      () => request(method, path, { query, body, headers: sent, signal: AbortSignal.timeout(PATIENCE_MS) }),
      {
        failed: () => {
          if (!failing) outbox.failing++;
          failing = true;
          outbox.changed();
        },
      },
    );
  } finally {
    outbox.open--;
    if (failing) outbox.failing--;
    outbox.changed();
  }
}
