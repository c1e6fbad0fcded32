// Shows the events of `clickport watch` in the list of the dashboard's live page.

import { arrive, connection } from "./arrivals.js";

const EVERY_MS = 500;
let last = 0;

async function refresh() {
  let watched;
  try {
    watched = await (await fetch("/clickport-watch.json")).json();
  } catch {
    connection("lost", "The watch has ended");
    return;
  }
  connection("open", "Connected");
  document.querySelector("[data-site]").textContent = watched.site;
  const open = document.querySelector("[data-open]");
  open.textContent = open.href = watched.open;
  for (const event of watched.events) if (event.number > last) arrive(event);
  last = watched.events.at(-1)?.number ?? last;
  setTimeout(refresh, EVERY_MS);
}

refresh();
