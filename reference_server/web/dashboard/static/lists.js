// Lists that load their own rows: each has an address, and a state with its search and limit.

import { morph, morphChildren } from "./morph.js";
import { writeMoney } from "./money.js";

const AT_ONCE = 500; // Rows per request; longer lists are loaded in parts and less often.
const REST = 9; // A long list is not reloaded for this many times its load time.
const GROWTH = 100;
const TYPING_MS = 200;
const SECONDS = 15;

const states = new WeakMap();

/** Fetch a part of a page. Throws if the server does not answer with a page. */
export async function fetchPart(address) {
  const answer = await fetch(address, { signal: AbortSignal.timeout(SECONDS * 1000) });
  if (answer.redirected) location.reload(); // Redirected to the login after a logout elsewhere.
  if (!answer.ok) throw new Error(`${answer.status}`);
  const part = new DOMParser().parseFromString(await answer.text(), "text/html");
  writeMoney(part);
  return part;
}

/** Reload every visible list, outer lists first. Throws if one fails. */
export async function refreshLists(root) {
  const within = (list) => list.parentElement.closest("[data-list]");
  const outer = root.closest("[data-list]");
  const seen = [...root.querySelectorAll("[data-list]")].filter(
    (list) => within(list) === outer && !list.closest("[hidden]"),
  );
  await Promise.all(
    seen.map(async (list) => {
      // Requests of the user come first.
      if (!stateOf(list).waiting && isOld(list)) await load(list);
      await refreshLists(list);
    }),
  );
}

/** Handle arrows, searching and "Show more" of all lists inside `root`, including later ones. */
export function listen(root) {
  for (const list of root.querySelectorAll("[data-every]")) stateOf(list);
  root.addEventListener("click", ({ target }) => {
    const arrow = target.closest("button.arrow");
    if (arrow) toggle(arrow);
    const more = target.closest("[data-more]");
    if (more) grow(more);
    const again = target.closest("[data-again]");
    if (again) attempt(again.closest("[data-list]"));
  });
  root.addEventListener("input", ({ target }) => {
    if (!target.matches("[data-search]")) return;
    const list = target.closest("[data-list]");
    const state = stateOf(list);
    Object.assign(state, { search: target.value, limit: undefined });
    clearTimeout(state.timer);
    state.timer = setTimeout(() => attempt(list), TYPING_MS);
  });
}

function toggle(arrow) {
  const inside = document.getElementById(arrow.getAttribute("aria-controls"));
  const open = arrow.getAttribute("aria-expanded") !== "true";
  arrow.setAttribute("aria-expanded", open);
  inside.hidden = !open;
  if (open) attempt(inside);
}

async function grow(button) {
  const list = button.closest("[data-list]");
  const state = stateOf(list);
  const rows = shown(list);
  state.limit = rows + Number(button.dataset.more);
  if (state.limit <= AT_ONCE) {
    await attempt(list);
  } else {
    await append(list, rows, button.closest("[data-top]").dataset.top);
  }
  list.querySelector(":scope > [data-rows]")?.children[rows]?.querySelector("button")?.focus();
}

function append(list, offset, top) {
  return serve(list, () =>
    latest(list, () => fetchPart(addressOf(list, { offset, top, limit: GROWTH })), (part) => add(list, part.body)),
  );
}

/** Append the rows of a part that are not there yet, and replace "Show more". */
function add(list, part) {
  const rows = list.querySelector(":scope > [data-rows]");
  const known = new Set([...rows.children].map((row) => row.dataset.key));
  for (const row of part.querySelectorAll("[data-rows] > li")) if (!known.has(row.dataset.key)) rows.append(row);
  const more = list.querySelector(":scope > .more");
  const fresh = part.querySelector(".more");
  if (fresh) morph(more, fresh);
  else more.remove();
}

function attempt(list) {
  return serve(list, () => load(list));
}

/** Run an action of the user on a list: other loads of it wait, and a failure is shown. */
async function serve(list, work) {
  const state = stateOf(list);
  state.waiting = (state.waiting ?? 0) + 1;
  try {
    await work();
  } catch {
    complain(list);
  } finally {
    state.waiting -= 1;
  }
}

function load(list) {
  return latest(list, () => fetchRows(list, wanted(list)), (fresh) => keepPlace(list, () => morphChildren(list, fresh)));
}

/** Return how many rows to load. A list that was shown completely remains complete. */
function wanted(list) {
  const { limit, address } = stateOf(list);
  const all = limit && address === list.dataset.list && !list.querySelector(":scope > .more");
  return all ? Math.max(limit, shown(list) + GROWTH) : limit;
}

/** Fetch the first rows of a list, in parts if there are many. */
async function fetchRows(list, limit) {
  const { body } = await fetchPart(addressOf(list, { limit: limit && Math.min(limit, AT_ONCE) }));
  for (let offset = AT_ONCE; offset < limit; offset += AT_ONCE) {
    const top = body.querySelector(":scope > .more")?.dataset.top;
    if (!top) break;
    add(body, (await fetchPart(addressOf(list, { offset, top, limit: Math.min(limit - offset, AT_ONCE) }))).body);
  }
  return body;
}

/** Fetch data for a list and insert it, unless a later request for the list has started meanwhile. */
async function latest(list, get, put) {
  const state = stateOf(list);
  const turn = (state.turn = (state.turn ?? 0) + 1);
  const address = list.dataset.list;
  const began = performance.now();
  list.setAttribute("aria-busy", "true");
  try {
    const part = await get();
    if (turn !== state.turn) return;
    put(part);
    Object.assign(state, { address, at: performance.now(), took: performance.now() - began });
  } finally {
    if (turn === state.turn) list.removeAttribute("aria-busy");
  }
}

/** Keep visible rows in place when rows above them come or go. */
function keepPlace(list, work) {
  const rows = list.getBoundingClientRect().top < 0 ? (list.querySelector(":scope > [data-rows]")?.children ?? []) : [];
  const seen = [...rows]
    .map((row) => [row, row.getBoundingClientRect()])
    .filter(([, { bottom, top }]) => bottom > 0 && top < innerHeight);
  work();
  const shifts = seen
    .filter(([row]) => row.isConnected)
    .map(([row, { top }]) => row.getBoundingClientRect().top - top);
  const usual = shifts.toSorted((one, other) => one - other)[shifts.length >> 1];
  // A row that rises to the top of the list is not followed there.
  const shift = shifts.find((each) => Math.abs(each - usual) < innerHeight);
  if (shift) scrollBy({ top: shift, behavior: "instant" });
}

function complain(list) {
  if (list.querySelector(":scope > [data-rows]")) return; // Keep the rows that are there.
  const text = document.createElement("p");
  text.className = "empty error";
  text.append("This could not be loaded. ");
  const again = document.createElement("button");
  Object.assign(again, { type: "button", textContent: "Try again" });
  again.dataset.again = "";
  text.append(again);
  list.replaceChildren(text);
}

function addressOf(list, more) {
  const address = new URL(list.dataset.list, location.href);
  for (const [name, value] of Object.entries({ search: stateOf(list).search || undefined, ...more })) {
    if (value !== undefined) address.searchParams.set(name, value);
  }
  return address;
}

/** Return true if a list is due for reloading; `data-every` is the minimum age in seconds. */
function isOld(list) {
  const { address, at, took } = stateOf(list);
  const rest = Math.max(1000 * (list.dataset.every ?? 0), shown(list) > AT_ONCE ? REST * (took ?? 0) : 0);
  return address !== list.dataset.list || performance.now() - at >= rest;
}

function stateOf(list) {
  if (!states.has(list)) states.set(list, { address: list.dataset.list, at: 0 });
  return states.get(list);
}

function shown(list) {
  return list.querySelector(":scope > [data-rows]")?.children.length ?? 0;
}
