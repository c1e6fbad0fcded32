// Fetches parts of pages. A request that takes longer than a second shows its progress and can be cancelled.

import { writeMoney } from "./money.js";

const SECONDS = 40; // Longer than any query of the server.
const PATIENCE_MS = 1000;
const LOOK_MS = 500;

const box = document.querySelector("[data-waiting]");
const slow = new Set(); // Requests that take long, the first of which is shown.

/** Thrown if the user cancelled a request. */
export class Cancelled extends Error {}

/** Fetch a part of a page. Throws if the server does not answer with a page, or the user or `signal` cancels. */
export async function fetchPart(address, signal) {
  const named = new URL(address, location.href);
  const name = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  named.searchParams.set("query", name);
  const cancel = new AbortController();
  const request = { name, cancel };
  const timer = setTimeout(() => watch(request), PATIENCE_MS);
  const signals = [AbortSignal.timeout(SECONDS * 1000), cancel.signal, ...(signal ? [signal] : [])];
  try {
    // The server ends the queries of a request that is aborted.
    const answer = await fetch(named, { signal: AbortSignal.any(signals) });
    if (answer.redirected) location.reload(); // Redirected to the login after a logout elsewhere.
    if (!answer.ok) throw new Error(`${answer.status}`);
    const part = new DOMParser().parseFromString(await answer.text(), "text/html");
    writeMoney(part);
    return part;
  } catch (error) {
    throw cancel.signal.aborted ? new Cancelled() : error;
  } finally {
    clearTimeout(timer);
    slow.delete(request);
    show();
  }
}

box?.querySelector("button").addEventListener("click", () => {
  for (const { cancel } of [...slow]) cancel.abort();
});

/** Show the progress of a request until it ends. */
async function watch(request) {
  if (!box) return;
  slow.add(request);
  show();
  while (slow.has(request)) {
    const progress = await ask(request.name);
    if (progress?.read && slow.values().next().value === request) {
      const part = progress.total ? ` of ${progress.total.toLocaleString("en")}` : "";
      box.querySelector("[data-progress]").textContent = `Reading events: ${progress.read.toLocaleString("en")}${part} rows`;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

function show() {
  if (!box) return;
  if (box.hidden !== !slow.size) box.querySelector("[data-progress]").textContent = "Reading events …";
  box.hidden = !slow.size;
}

async function ask(name) {
  try {
    const answer = await fetch(`${box.dataset.waiting}/${name}`);
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}
