// Keeps the dashboard up to date while its tab is visible.

import { draw } from "./chart.js";
import {
  acceptRows, adopt, fetchPart, inlineRows, listen, openRows, refreshLists, restore, stateForAddress,
} from "./lists.js";
import { writeMoney } from "./money.js";
import { morph } from "./morph.js";

const PAUSE_MS = 1500;
const LONGEST_PAUSE_MS = 15000;

const page = document.getElementById("main");
const strip = document.querySelector("[data-strip]");
const events = page.querySelector("#panel-events > [data-list]");
let timer;
let turn = 0;
let failures = 0;
let returning = false; // The page is to follow an address of the history.

writeMoney(page);
draw(page);
listen(page, remember);
tabs(page);
ranges(page);
restore(events, remembered());
addEventListener("popstate", () => {
  returning = true;
  adopt(events, remembered());
  wait();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(page));
document.addEventListener("visibilitychange", () => schedule(0));
addEventListener("online", () => schedule(0));
schedule(PAUSE_MS);

function schedule(pause) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, pause);
}

async function refresh() {
  const mine = ++turn;
  const address = new URL(location.href);
  // The list of events comes with the figures, so that both are of the same moment.
  const rows = inlineRows(events);
  address.searchParams.set("part", rows ? "figures" : "top");
  for (const [name, value] of Object.entries({ search: rows?.search, limit: rows?.limit })) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  try {
    const fresh = (await fetchPart(address)).getElementById("main");
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
  } catch {
    if (mine !== turn) return;
    failures += 1;
    strip.textContent = "The server does not answer: these are its last numbers.";
  }
  if (mine === turn) schedule(Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS));
}

/** Show another address in place, as a step of the browser's history. */
function show(address) {
  if (address.href === location.href) return;
  history.pushState(null, "", address);
  wait();
}

/** Mark the figures as those of another address until the new ones are here. */
function wait() {
  turn += 1; // Answers under way are of the address before.
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
  root.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(change({ metric: new URL(link.href).searchParams.get("metric") }));
  });
}
