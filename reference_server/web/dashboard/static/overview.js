// Keeps the dashboard up to date while its tab is visible.

import { draw } from "./chart.js";
import { fetchPart, listen, refreshLists } from "./lists.js";
import { writeMoney } from "./money.js";
import { morph } from "./morph.js";

const PAUSE_MS = 1500;
const LONGEST_PAUSE_MS = 15000;

const page = document.getElementById("main");
const strip = document.querySelector("[data-strip]");
let timer;
let turn = 0;
let failures = 0;

writeMoney(page);
draw(page);
listen(page);
tabs(page);
ranges(page);
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
  address.searchParams.set("part", "top");
  try {
    const fresh = (await fetchPart(address)).getElementById("main");
    if (mine !== turn) return;
    morph(page, fresh);
    draw(page);
    await refreshLists(page);
    failures = 0;
    strip.textContent = "";
  } catch {
    if (mine !== turn) return;
    failures += 1;
    strip.textContent = "The server does not answer: these are its last numbers.";
  }
  if (mine === turn) schedule(Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS));
}

/** Show another address in place. */
function show(address) {
  history.replaceState(null, "", address);
  schedule(0);
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
    for (const tab of all) {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
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
