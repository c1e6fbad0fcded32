// Shows events as they arrive. Text of visitors always becomes text nodes, never markup.

import { advise } from "./live_advice.js";
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

const source = new EventSource(document.querySelector("[data-live]").dataset.live);
source.addEventListener("ready", () => connection("open", "Connected"));
source.addEventListener("error", () => {
  connection("lost", source.readyState === EventSource.CLOSED ? "Not connected: reload the page" : "Connecting again …");
});
source.addEventListener("message", ({ data }) => {
  const event = JSON.parse(data);
  if (paused()) {
    held.push(event);
    held.splice(0, held.length - MOST);
    pause.textContent = `Continue (${held.length})`;
  } else {
    show(event);
  }
});

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", !paused());
  pause.textContent = paused() ? "Continue" : "Pause";
  if (!paused()) held.splice(0).forEach(show);
});
document.querySelector("[data-clear]").addEventListener("click", () => {
  arrivals.replaceChildren();
  empty.hidden = false;
});

function paused() {
  return pause.getAttribute("aria-pressed") === "true";
}

function connection(name, text) {
  state.dataset.connection = name;
  state.textContent = text;
}

function show(event) {
  empty.hidden = true;
  const item = row(event);
  arrivals.prepend(item);
  advise(item, event);
  while (arrivals.children.length > MOST) arrivals.lastChild.remove();
}

function row({ received, type, name, payload, stored, notes, advice, left_out }) {
  const item = element("li");
  item.dataset.liveEvent = name ?? "";
  const head = element("div", "row");
  head.append(time(received), sent(name || (type === "pageview" ? "Pageview" : "(no name)"), "name"));
  const amount = stored?.revenue_source_amount;
  if (amount != null) {
    const currency = stored.revenue_source_currency;
    head.append(element("span", "money", money(String(amount), currency) ?? `${amount} ${currency}`));
  }
  item.append(head);
  if (notes?.length || advice?.length) item.append(remarks(notes ?? [], advice ?? []));
  if (left_out) item.append(element("p", "note", `${left_out} more before this one: too many to show`));
  item.append(fields("Payload", payload ?? {}), fields("Stored", stored ?? {}));
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

function fields(title, values) {
  const details = element("details");
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
