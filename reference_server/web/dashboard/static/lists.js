// Lists that load their own rows: each has an address, and a state with its search and limit.

import { fetchPart } from "./fetching.js";
import { morph, morphChildren } from "./morph.js";

const AT_ONCE = 500; // Rows per request; longer lists are loaded in parts and less often.
const REST = 2; // A list is not reloaded for this many times its load time; a long one for longer.
const LONG_REST = 9;
const GROWTH = 100;
const TYPING_MS = 200;
const REMEMBERED = 50; // Open rows in the address.

const states = new WeakMap();

/** Reload every visible list, outer lists first. Throws if one fails. */
export async function refreshLists(root, except) {
  const within = (list) => list.parentElement.closest("[data-list]");
  const outer = root.closest("[data-list]");
  const seen = [...root.querySelectorAll("[data-list]")].filter(
    (list) => within(list) === outer && !list.closest("[hidden]"),
  );
  await Promise.all(
    seen.map(async (list) => {
      // Requests of the user come first.
      if (list !== except && !stateOf(list).waiting && isOld(list)) await load(list);
      await refreshLists(list);
    }),
  );
}

/** Handle rows, searching and "Show more" of all lists inside `root`; `changed` is called when one changes. */
export function listen(root, changed) {
  for (const list of root.querySelectorAll("[data-every]")) stateOf(list);
  root.addEventListener("click", ({ target }) => {
    const arrow = arrowAt(target);
    if (arrow) {
      toggle(arrow);
      changed();
    }
    const more = target.closest("[data-more]");
    if (more) grow(more).then(changed);
    const again = target.closest("[data-again]");
    if (again) attempt(again.closest("[data-list]"));
  });
  root.addEventListener("input", ({ target }) => {
    if (!target.matches("[data-search]")) return;
    const list = target.closest("[data-list]");
    const state = stateOf(list);
    Object.assign(state, { search: target.value, limit: undefined });
    clearTimeout(state.timer);
    state.timer = setTimeout(() => {
      changed();
      attempt(list);
    }, TYPING_MS);
  });
}

/** Return the arrow of the row that was clicked, unless something else in it was, or text is selected. */
function arrowAt(target) {
  const arrow = target.closest("button.arrow");
  if (arrow || target.closest("a, button, input, summary, details") || String(getSelection())) return arrow;
  return target.closest(".row")?.querySelector(":scope > button.arrow");
}

function toggle(arrow) {
  const inside = document.getElementById(arrow.getAttribute("aria-controls"));
  const open = arrow.getAttribute("aria-expanded") !== "true";
  arrow.setAttribute("aria-expanded", open);
  inside.hidden = !open;
  return open ? attempt(inside) : undefined;
}

/** Return the state of a list for the address of the page: its search, its length, and the open rows. */
export function stateForAddress(list) {
  const { search, limit } = stateOf(list);
  const open = [...list.querySelectorAll("button.arrow[aria-expanded=true]")].slice(0, REMEMBERED);
  return { search, limit, open: open.map((arrow) => arrow.getAttribute("aria-controls")).join(" ") };
}

/** Take over the search and the length of an address; return true if other rows have to be loaded. */
export function adopt(list, { search, limit }) {
  const state = stateOf(list);
  const same = (state.search ?? "") === search && (state.limit ?? 0) === limit;
  Object.assign(state, { search: search || undefined, limit: limit || undefined });
  const input = list.querySelector(":scope > .find input");
  if (input) input.value = search;
  return !same;
}

/** Bring a list into the state of an address. */
export async function restore(list, state) {
  if (adopt(list, state)) await attempt(list);
  await openRows(list, new Set(state.open.split(" ")));
}

/** Open the rows with these ids and those inside of them, and close all others. */
export async function openRows(list, ids) {
  const arrows = [...list.querySelectorAll("button.arrow")].filter((arrow) => arrow.closest("[data-list]") === list);
  await Promise.all(
    arrows.map(async (arrow) => {
      const id = arrow.getAttribute("aria-controls");
      if (ids.has(id) !== (arrow.getAttribute("aria-expanded") === "true")) await toggle(arrow);
      if (ids.has(id)) await openRows(document.getElementById(id), ids);
    }),
  );
}

/** Return the parameters with which a page includes the rows of a list, or undefined if it is too long. */
export function inlineRows(list) {
  const limit = wanted(list);
  if (list.closest("[hidden]") || stateOf(list).waiting || limit > AT_ONCE) return undefined;
  return { search: stateOf(list).search, limit };
}

/** Insert rows that a page included, unless the user has asked for others meanwhile. */
export function acceptRows(list, fresh, asked) {
  const now = inlineRows(list);
  if (!now || now.search !== asked.search || now.limit !== asked.limit) return;
  const state = stateOf(list);
  state.turn = (state.turn ?? 0) + 1; // Older answers are outdated.
  keepPlace(list, () => morphChildren(list, fresh));
  Object.assign(state, { address: list.dataset.list, at: performance.now() });
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
  const resting = (shown(list) > AT_ONCE ? LONG_REST : REST) * (took ?? 0);
  const rest = Math.max(1000 * (list.dataset.every ?? 0), resting);
  return address !== list.dataset.list || performance.now() - at >= rest;
}

function stateOf(list) {
  if (!states.has(list)) {
    const search = list.querySelector(":scope > .find input")?.getAttribute("value") || undefined;
    states.set(list, { address: list.dataset.list, at: 0, search });
  }
  return states.get(list);
}

function shown(list) {
  return list.querySelector(":scope > [data-rows]")?.children.length ?? 0;
}
