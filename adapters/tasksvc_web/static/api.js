// @ts-check
/** Requests to the service, with the token of the tab, and what it refuses. */

/** The service's address: the folder of the page, which a proxy or an application may have put anywhere. */
export const BASE = new URL("./", location.href);

const KEY = `tasksvc-token ${BASE.pathname}`;
const PROBLEM = "urn:tasksvc:problem:";

/** A problem document (RFC 9457) that the service answered. */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} document @param {Headers} headers */
  constructor(status, document, headers) {
    super(document.detail || document.title || `The service answered with the status ${status}.`);
    this.status = status;
    this.document = document;
    this.headers = headers;
    this.type = String(document.type ?? "").replace(PROBLEM, "");
  }
}

/** There was no answer. */
export class Unreachable extends Error {
  constructor() {
    super("The service doesn't answer.");
  }
}

/** The storage of the tab; null in a browser that keeps nothing, where reading a property raises an error. */
const tab = (() => {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
})();

/** The token of this tab, which isn't kept any longer than the tab. */
export const login = {
  /** @type {string | null} */
  token: tab?.getItem(KEY) ?? null,
  /** Shows the question for a token, and returns what was given. @type {(refused: boolean) => Promise<string>} */
  ask: () => Promise.reject(new Error("Nobody can be asked.")),
  /** @type {Promise<void> | null} */
  asking: null,

  /** Forgets the token. */
  forget() {
    this.token = null;
    tab?.removeItem(KEY);
  },

  /** Asks for another token than the one that was refused, once for all requests. @param {string | null} refused */
  async renew(refused) {
    if (this.token !== refused) return;
    this.asking ??= this.ask(refused !== null).then((token) => {
      this.token = token;
      tab?.setItem(KEY, token);
      this.asking = null;
    });
    await this.asking;
  },
};

/**
 * Sends a request and returns its answer, once the caller is known.
 *
 * @param {string} method
 * @param {string} path relative to the service, without a slash at its beginning
 * @param {{query?: URLSearchParams, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [more]
 * @returns {Promise<Response>} with a status of success
 * @throws {Problem | Unreachable | DOMException} the last one if it was aborted
 */
export async function request(method, path, { query, body, headers = {}, signal } = {}) {
  const url = new URL(path, BASE);
  if (query) url.search = query.toString();
  for (;;) {
    const token = login.token;
    const sent = new Headers(headers);
    if (token !== null) sent.set("Authorization", `Bearer ${token}`);
    if (body !== undefined) sent.set("Content-Type", "application/json");
    /** @type {Response} */
    let response;
    try {
      response = await fetch(url, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal,
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted && signal.reason?.name !== "TimeoutError") throw error;
      throw new Unreachable();
    }
    if (response.status === 401) {
      await response.body?.cancel();
      await login.renew(token);
      continue;
    }
    if (response.ok) return response;
    throw new Problem(response.status, await documentOf(response), response.headers);
  }
}

/** @param {Response} response @returns {Promise<Record<string, any>>} */
async function documentOf(response) {
  try {
    return await response.json();
  } catch {
    return {}; // of a proxy, for instance
  }
}

/** The path of a workspace, or of something in it. @param {string} workspace @param {string} path */
export const pathIn = (workspace, path) => `workspaces/${encodeURIComponent(workspace)}/${path}`;
