// Starts Swagger UI on the page that docs.py makes, for the description that data-url names.
"use strict";

// Milliseconds for which Execute reads an answer that does not end, from its first bytes on.
const STREAM_SHOWN_MS = 2000;

// fetch(), but of an event stream the beginning only: Swagger UI shows an answer when it has all of it.
async function fetchBeginning(url, options) {
  const stop = new AbortController();
  const response = await fetch(url, { ...options, signal: stop.signal });
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return response;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let timer;
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      text += piece.value;
      timer ??= setTimeout(() => stop.abort(), STREAM_SHOWN_MS);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  clearTimeout(timer);
  return new Response(text, response);
}

SwaggerUIBundle({
  url: document.currentScript.dataset.url,
  dom_id: "#ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  validatorUrl: null,
  requestInterceptor: (request) => Object.assign(request, { userFetch: fetchBeginning }),
});
