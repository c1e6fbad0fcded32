// Advice about events of the live page that depends on earlier events (LINT-1 to LINT-3). The server is asked
// about names until their latest events must be stored, because it needs the rows to judge their values.

import { element, sent } from "./elements.js";

const SOON_MS = 1000;
const PAUSE_MS = 3000;
const LONGEST_PAUSE_MS = 30_000;
const SETTLED_MS = 10_000;
const REST = 9; // The pause between two requests is this many times the duration of the last one.
const PATIENCE_MS = 30_000;
const MOST_ASKED = 20;
const MOST_WAITING = 200;
const SHOWN = 100; // Characters of a name or property that the server sends; advice on cut names cannot be requested.
const NAMES = 5;

const list = document.querySelector("[data-arrivals]");
const spoken = document.querySelector("[data-spoken]");
const carried = new WeakMap(); // Per row: the name, the properties, and the hints shown.
const waiting = new Map(); // Per name to ask about: when its last event arrived.
const known = new Map(); // Advice per name.
const said = new Set();
let timer;
let pause = PAUSE_MS;
let asked = -Infinity;

/** Show the known advice about the event of a row, and ask the server for more. */
export function advise(item, { type, name, stored }) {
  if (type !== "custom" || [...name].length > SHOWN) return;
  carried.set(item, { name, keys: stored?.meta_keys, shown: "[]" });
  waiting.set(name, performance.now());
  if (waiting.size > MOST_WAITING) waiting.delete(waiting.keys().next().value);
  mark(item);
  schedule();
}

function schedule() {
  timer ??= setTimeout(ask, Math.max(SOON_MS, asked + pause - performance.now()));
}

async function ask() {
  const names = [...waiting.keys()].slice(0, MOST_ASKED);
  const address = new URL(list.dataset.asks, location.href);
  for (const name of names) address.searchParams.append("name", name);
  asked = performance.now();
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    learn(names, (await answer.json()).advice);
    for (const name of names) leave(name);
    pause = Math.max(PAUSE_MS, REST * (performance.now() - asked));
  } catch {
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS); // Events are shown regardless.
  }
  timer = undefined;
  if (waiting.size) schedule();
}

/** Drop a name whose events must be stored by now; move any other to the end of the queue. */
function leave(name) {
  const came = waiting.get(name);
  waiting.delete(name);
  if (asked - came < SETTLED_MS) waiting.set(name, came);
}

function learn(names, advice) {
  for (const name of names) known.set(name, []);
  for (const each of advice) {
    for (const name of each.rule === "LINT-3" ? [each.names[0]] : each.names) {
      const others = (known.get(name) ?? []).filter((other) => subject(other) !== subject(each));
      known.set(name, [...others, each]);
    }
  }
  const here = new Set([...list.children].map((item) => item.dataset.liveEvent));
  for (const name of known.keys()) if (!here.has(name)) known.delete(name);
  for (const item of list.children) mark(item);
  say(advice.filter((each) => each.names.some((name) => here.has(name))));
}

/** Return the subject of advice: a name has one advice per rule, but LINT-3 applies per property. */
function subject({ rule, names }) {
  return rule === "LINT-3" ? `${rule} ${names[1]}` : rule;
}

function mark(item) {
  const event = carried.get(item);
  if (!event) return;
  const advice = (known.get(event.name) ?? []).filter(
    ({ rule, names }) => rule !== "LINT-3" || (event.keys ?? names).includes(names[1]),
  );
  const shown = JSON.stringify(advice);
  if (shown === event.shown) return; // Do not disturb a selection in unchanged text.
  event.shown = shown;
  item.querySelector(":scope > [data-hints]")?.remove();
  if (advice.length) item.insertBefore(hints(advice), item.querySelector(":scope > details"));
}

function hints(advice) {
  const made = element("ul");
  made.dataset.hints = "";
  for (const { rule, text, names } of advice) {
    const line = element("li", "hint", text);
    line.dataset.advice = rule;
    const about = element("p", "quiet names");
    const all = rule === "LINT-3" ? names.slice(1) : names;
    for (const name of all.slice(0, NAMES)) about.append(sent(name));
    if (all.length > NAMES) about.append(`and ${all.length - NAMES} more`);
    line.append(about);
    made.append(line);
  }
  return made;
}

/** Announce new advice to screen readers, each once. */
function say(advice) {
  const fresh = advice.filter(({ rule, names }) => !said.has(`${rule} ${JSON.stringify(names)}`));
  for (const { rule, names } of fresh) said.add(`${rule} ${JSON.stringify(names)}`);
  if (!fresh.length) return;
  spoken.replaceChildren(
    ...fresh.slice(0, NAMES).map(({ text, names }) => {
      const line = element("p", "", `Advice: ${text} `);
      for (const name of names.slice(0, NAMES)) line.append(sent(name), " ");
      return line;
    }),
  );
}
