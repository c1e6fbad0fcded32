// Lists that fill themselves: each knows its address, and what is searched in it and shown of it.

import { morph, morphChildren } from "./morph.js";
import { writeMoney } from "./money.js";

const MOST_REFRESHED = 500; // Beyond this many rows a list stays as it was loaded: a person reads it.
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
      if (shown(list) <= MOST_REFRESHED && !stateOf(list).waiting && isOld(list)) await load(list);
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
  if (state.limit <= MOST_REFRESHED) {
    await attempt(list);
  } else {
    await append(list, rows, button.closest("[data-top]").dataset.top);
  }
  list.querySelector(":scope > [data-rows]")?.children[rows]?.querySelector("button")?.focus();
}

function append(list, offset, top) {
  return serve(list, () =>
    latest(list, { offset, top, limit: 100 }, (part) => {
      const rows = list.querySelector(":scope > [data-rows]");
      const known = new Set([...rows.children].map((row) => row.dataset.key));
      for (const row of part.querySelectorAll("[data-rows] > li")) if (!known.has(row.dataset.key)) rows.append(row);
      const more = list.querySelector(":scope > .more");
      const fresh = part.querySelector(".more");
      if (fresh) morph(more, fresh);
      else more.remove();
    }),
  );
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
  return latest(list, { limit: stateOf(list).limit }, (part) => morphChildren(list, part.body));
}

/** Get what a list asks for and put it there, unless the list has asked for something else meanwhile. */
async function latest(list, asked, put) {
  const state = stateOf(list);
  const turn = (state.turn = (state.turn ?? 0) + 1);
  list.setAttribute("aria-busy", "true");
  try {
    const address = list.dataset.list;
    const part = await fetchPart(addressOf(list, asked));
    if (turn !== state.turn) return;
    put(part);
    Object.assign(state, { address, at: performance.now() });
  } finally {
    if (turn === state.turn) list.removeAttribute("aria-busy");
  }
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
  const { address, at } = stateOf(list);
  return address !== list.dataset.list || performance.now() - at >= 1000 * (list.dataset.every ?? 0);
}

function stateOf(list) {
  if (!states.has(list)) states.set(list, { address: list.dataset.list, at: 0 });
  return states.get(list);
}

function shown(list) {
  return list.querySelector(":scope > [data-rows]")?.children.length ?? 0;
}
