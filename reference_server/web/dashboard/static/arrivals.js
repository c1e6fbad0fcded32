// The list of a live page: its rows, pause, clear, and the state of its connection. The page of `clickport watch` has
// the same list. Text of visitors always becomes text nodes, never markup.

import { element, sent } from "./elements.js";
import { money } from "./money.js";

const MOST = 200;
const LABELS = {
  t: "type", n: "name", mk: "property names", mv: "property values", ra: "amount", rc: "currency",
};

const arrivals = document.querySelector("[data-arrivals]");
const empty = document.querySelector("[data-empty]");
const state = document.querySelector("[data-connection]");
const pause = document.querySelector("[data-pause]");
const held = [];

/** Show an event on top of the list, and call `shown` with its row and the event; while the page pauses, later. */
export function arrive(event, shown = () => {}) {
  if (paused()) {
    held.push([event, shown]);
    held.splice(0, held.length - MOST);
    pause.textContent = `Continue (${held.length})`;
    return;
  }
  empty.hidden = true;
  const item = row(event);
  arrivals.prepend(item);
  shown(item, event);
  while (arrivals.children.length > MOST) arrivals.lastChild.remove();
}

/** Show the state of the connection: "waiting", "open" or "lost". */
export function connection(name, text) {
  state.dataset.connection = name;
  state.textContent = text;
}

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", !paused());
  pause.textContent = paused() ? "Continue" : "Pause";
  if (!paused()) held.splice(0).forEach((each) => arrive(...each));
});
document.querySelector("[data-clear]").addEventListener("click", () => {
  arrivals.replaceChildren();
  empty.hidden = false;
});

function paused() {
  return pause.getAttribute("aria-pressed") === "true";
}

/** Return the row of an event; `parts` are what can be opened in it, `revenue` the columns of its amount. */
function row({ received, type, name, payload, stored, notes, advice, left_out, revenue = stored, parts }) {
  const item = element("li");
  item.dataset.liveEvent = name ?? "";
  const head = element("div", "row");
  head.append(time(received), sent(name || (type === "pageview" ? "Pageview" : "(no name)"), "name"));
  const amount = revenue?.revenue_source_amount;
  if (amount != null) {
    const currency = revenue.revenue_source_currency;
    head.append(element("span", "money", money(String(amount), currency) ?? `${amount} ${currency}`));
  }
  item.append(head);
  if (notes?.length || advice?.length) item.append(remarks(notes ?? [], advice ?? []));
  if (left_out) item.append(element("p", "note", `${left_out} more before this one: too many to show`));
  const shown = Object.entries(parts ?? { Payload: payload ?? {}, Stored: stored ?? {} });
  item.append(...shown.map(([title, values]) => fields(title, values, shown.length === 1)));
  return item;
}

function remarks(notes, advice) {
  const list = element("ul");
  for (const text of notes) list.append(sent(text, "note", "li"));
  for (const { rule, text } of advice) {
    const line = sent(text, "hint", "li");
    line.dataset.advice = rule;
    list.append(line);
  }
  return list;
}

function fields(title, values, open) {
  const details = element("details");
  details.open = open;
  details.append(element("summary", "", title));
  const list = element("dl", "fieldset");
  for (const [key, value] of Object.entries(values)) {
    const term = element("dt", "", key);
    if (LABELS[key]) term.title = LABELS[key];
    const text = element("dd", "", JSON.stringify(value));
    text.dataset.field = key;
    list.append(term, text);
  }
  details.append(list);
  return details;
}

function time(received) {
  const { zone } = document.querySelector("[data-live]").dataset;
  const made = element("time", "", new Date(received).toLocaleTimeString("en-GB", { timeZone: zone }));
  made.dateTime = received;
  return made;
}
