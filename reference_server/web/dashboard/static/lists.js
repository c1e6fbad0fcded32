// Lists that fill themselves: each knows its address, and what is searched in it and shown of it.

import { morph, morphChildren } from "./morph.js";
import { writeMoney } from "./money.js";

const AT_ONCE = 500; // A longer list comes in parts, and more rarely.
const REST = 9; // How much longer than it took to load a long list is left alone.
const GROWTH = 100;
const TYPING_MS = 200;
const SECONDS = 15;

const states = new WeakMap();

/** Get a part of a page. Throws when the server does not answer, or not with a page. */
export async function fetchPart(address) {
  const answer = await fetch(address, { signal: AbortSignal.timeout(SECONDS * 1000) });
  if (answer.redirected) location.reload(); // To the login: somebody has logged out meanwhile.
  if (!answer.ok) throw new Error(`${answer.status}`);
  const part = new DOMParser().parseFromString(await answer.text(), "text/html");
  writeMoney(part);
  return part;
}

/** Load again every list that can be seen, the outer ones first. Throws when one could not be. */
export async function refreshLists(root) {
  const within = (list) => list.parentElement.closest("[data-list]");
  const outer = root.closest("[data-list]");
  const seen = [...root.querySelectorAll("[data-list]")].filter(
    (list) => within(list) === outer && !list.closest("[hidden]"),
  );
  await Promise.all(
    seen.map(async (list) => {
      // What a person waits for comes first.
      if (!stateOf(list).waiting && isOld(list)) await load(list);
      await refreshLists(list);
    }),
  );
}

/** Make arrows, searching and "Show more" work for lists inside `root`, also those that come later. */
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

/** Add the rows of a part that are not there yet, and its "Show more". */
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

/** Do what a person asked of a list: nothing else is loaded into it until then, and a failure is told. */
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

/** How many rows a list is to have: whoever has let it show all of them goes on seeing all. */
function wanted(list) {
  const { limit, address } = stateOf(list);
  const all = limit && address === list.dataset.list && !list.querySelector(":scope > .more");
  return all ? Math.max(limit, shown(list) + GROWTH) : limit;
}

/** Get the first rows of a list, in parts when they are many. */
async function fetchRows(list, limit) {
  const { body } = await fetchPart(addressOf(list, { limit: limit && Math.min(limit, AT_ONCE) }));
  for (let offset = AT_ONCE; offset < limit; offset += AT_ONCE) {
    const top = body.querySelector(":scope > .more")?.dataset.top;
    if (!top) break;
    add(body, (await fetchPart(addressOf(list, { offset, top, limit: Math.min(limit - offset, AT_ONCE) }))).body);
  }
  return body;
}

/** Get what a list asks for and put it there, unless the list has asked for something else meanwhile. */
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

/** What somebody reads stays where it is, whatever comes or goes above it. */
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
  // A row that has risen to the top of the list is not followed there.
  const shift = shifts.find((each) => Math.abs(each - usual) < innerHeight);
  if (shift) scrollBy({ top: shift, behavior: "instant" });
}

function complain(list) {
  if (list.querySelector(":scope > [data-rows]")) return; // What is there is better than nothing.
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

/** Whether it is time for a list: one that costs much says how many seconds its content is good for. */
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
