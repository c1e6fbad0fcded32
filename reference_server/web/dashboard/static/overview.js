// Keeps the dashboard up to date while its tab is visible.

import { draw } from "./chart.js";
import { Cancelled, fetchPart } from "./fetching.js";
import {
  acceptRows, adopt, inlineRows, listen, openRows, refreshLists, restore, stateForAddress,
} from "./lists.js";
import { writeMoney } from "./money.js";
import { morph } from "./morph.js";
import { shortcuts } from "./shortcuts.js";

const PAUSE_MS = 1500;
const LONGEST_PAUSE_MS = 15000;
const REST = 2; // Figures are not read again for this many times as long as they took (DASH-3: within seconds).
const PROPERTY = "prop."; // The beginning of the parameters that filter by a property.
const VIEW = ["metric", "interval", "compare"]; // The parameters of the chart.

const page = document.getElementById("main");
const strip = document.querySelector("[data-strip]");
const events = page.querySelector("#panel-events > [data-list]");
let timer;
let turn = 0;
let failures = 0;
let leaving = new AbortController(); // Aborted when the page goes to another address.
let returning = false; // The page is to follow an address of the history.

writeMoney(page);
draw(page);
listen(page, remember);
tabs(page);
ranges(page);
links(page);
shortcuts(page, (parameters) => step(change(parameters)));
restore(events, remembered());
addEventListener("popstate", arrive);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(page));
document.addEventListener("visibilitychange", () => schedule(0));
addEventListener("online", () => schedule(0));
if (page.querySelector("[data-late]")) arrive(); // Its rows are not here yet: open ones are opened when they come.
else schedule(PAUSE_MS);

function schedule(pause) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, pause);
}

async function refresh() {
  const mine = ++turn;
  const began = performance.now();
  const address = new URL(location.href);
  // The list of events comes with the figures, so that both are of the same moment.
  const rows = inlineRows(events);
  address.searchParams.set("part", rows ? "figures" : "top");
  for (const [name, value] of Object.entries({ search: rows?.search, limit: rows?.limit })) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  try {
    const fresh = (await fetchPart(address, leaving.signal)).getElementById("main");
    if (mine !== turn) return;
    const freshRows = rows && fresh.querySelector("#panel-events > [data-list]");
    if (returning) follow(fresh);
    morph(page, fresh);
    if (freshRows) acceptRows(events, freshRows, rows);
    draw(page);
    await refreshLists(page, freshRows ? events : undefined);
    if (mine !== turn) return;
    if (returning) await openRows(events, new Set(remembered().open.split(" ")));
    returning = false;
    failures = 0;
    strip.textContent = "";
    page.removeAttribute("aria-busy");
    page.querySelector("[data-late]")?.remove();
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Cancelled) return stop();
    failures += 1;
    strip.textContent = "The server does not answer: these are its last numbers.";
  }
  const took = performance.now() - began;
  const pause = failures ? Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) : Math.max(PAUSE_MS, REST * took);
  if (mine === turn) schedule(pause);
}

/** Leave the figures as they are after the user has cancelled their update. */
function stop() {
  page.removeAttribute("aria-busy");
  const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Try again" });
  again.addEventListener("click", () => {
    strip.textContent = "";
    wait();
  });
  strip.replaceChildren("Cancelled: these are the numbers from before. ", again);
}

/** Show another address in place, as a step of the browser's history. */
function show(address) {
  if (address.href === location.href) return;
  history.pushState(null, "", address);
  wait();
}

/** Show the page of the address, and bring the controls and the list into its state. */
function arrive() {
  returning = true;
  adopt(events, remembered());
  wait();
}

/** Go to another address as a step of the history, and bring the controls and the list into its state. */
function step(address) {
  if (address.href === location.href) return;
  history.pushState(null, "", address);
  arrive();
}

/** Mark the figures as those of another address until the new ones are here. */
function wait() {
  turn += 1; // Answers under way are for the address before: they are ignored.
  leaving.abort();
  leaving = new AbortController();
  page.setAttribute("aria-busy", "true");
  schedule(0);
}

/** Write the search, the length of the list and the open rows into the address, without a step in the history. */
function remember() {
  const { search, limit, open } = stateForAddress(events);
  history.replaceState(null, "", change({ search, rows: limit, open }));
}

function remembered() {
  const query = new URL(location.href).searchParams;
  return { search: query.get("search") ?? "", limit: Number(query.get("rows")) || 0, open: query.get("open") ?? "" };
}

/** Bring the controls into the state of a fresh page. */
function follow(fresh) {
  const period = fresh.querySelector("[data-range] option[selected]").value;
  page.querySelector("[data-range]").elements.period.value = period;
  page.querySelector("[data-dates]").hidden = period !== "custom";
  for (const name of ["from", "to"]) {
    page.querySelector(`[data-dates] [name=${name}]`).value = fresh.querySelector(`[data-dates] [name=${name}]`).value;
  }
  choose(page.querySelector(`#${fresh.querySelector("[role=tab][aria-selected=true]").id}`));
}

/** Show the panel of a tab. */
function choose(chosen) {
  for (const tab of page.querySelectorAll("[role=tab]")) {
    tab.setAttribute("aria-selected", tab === chosen);
    tab.tabIndex = tab === chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
}

function change(parameters) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(parameters)) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  return address;
}

function tabs(root) {
  const all = [...root.querySelectorAll("[role=tab]")];
  const select = (chosen) => {
    choose(chosen);
    show(change({ tab: chosen.id.replace("tab-", "") }));
  };
  for (const [at, tab] of all.entries()) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = all[(at + step + all.length) % all.length];
      next.focus();
      select(next);
    });
  }
}

function ranges(root) {
  const form = root.querySelector("[data-range]");
  const { period, from, to } = form.elements;
  form.addEventListener("change", () => {
    const custom = period.value === "custom";
    form.querySelector("[data-dates]").hidden = !custom;
    if (!custom) show(change({ period: period.value, from: "", to: "" }));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!from.value || !to.value) return;
    const days = [from.value, to.value].sort(); // Accept the two days in either order.
    show(change({ period: "custom", from: days[0], to: days[1] }));
  });
}

/** Follow links to another view of the same page in place. */
function links(root) {
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap], a[data-pick]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const wanted = new URL(link.href).searchParams;
    if (link.matches("[data-pick]")) pick(link, wanted);
    else show(change(Object.fromEntries(VIEW.filter((name) => wanted.has(name)).map((name) => [name, wanted.get(name)]))));
  });
}

/** Look closer: show the page with the filter of a link, and an event with its properties open. */
function pick(link, wanted) {
  const address = change({ search: "", rows: "" });
  const query = address.searchParams;
  const before = [...query].filter(([name]) => isFilter(name));
  const after = [...wanted].filter(([name]) => isFilter(name));
  // A row may be older than the address: what was chosen since stays.
  const kept = link.closest("[data-chips]") ? [] : before.filter(([name]) => name.startsWith(PROPERTY));
  for (const [name] of before) query.delete(name);
  for (const [name, value] of [...kept, ...after]) if (!query.has(name, value)) query.append(name, value);
  if (!before.length !== !after.length) query.delete("metric"); // Each has metrics of its own.
  const row = link.closest(".row")?.querySelector("button.arrow")?.getAttribute("aria-controls");
  const open = new Set((query.get("open") ?? "").split(" ").filter(Boolean));
  if (row) query.set("open", [...open.add(row)].join(" "));
  if (link.closest("[data-chips]")) page.focus(); // The link goes with its chip.
  step(address);
}

function isFilter(name) {
  return name === "event" || name === "event_id" || name.startsWith(PROPERTY);
}
