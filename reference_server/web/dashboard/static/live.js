// Shows events as the server receives them.

import { arrive, connection } from "./arrivals.js";
import { advise } from "./live_advice.js";

const source = new EventSource(document.querySelector("[data-live]").dataset.live);
source.addEventListener("ready", () => connection("open", "Connected"));
source.addEventListener("error", () => {
  connection("lost", source.readyState === EventSource.CLOSED ? "Not connected: reload the page" : "Connecting again …");
});
source.addEventListener("message", ({ data }) => arrive(JSON.parse(data), advise));
