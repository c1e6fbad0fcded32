// Keyboard shortcuts of a site's page: single keys, unless text is being typed. The page lists them (`?`).

const STORED = "clickport-shortcuts";
const PERIODS = { t: "today", w: "7d", m: "30d", y: "year", a: "all" };

/** Listen to keys; `show` is given the parameters of the address to change to. */
export function shortcuts(page, show) {
  const dialog = document.querySelector("[data-keys]");
  const on = dialog.querySelector("[data-keys-on]");
  on.checked = storage()?.getItem(STORED) !== "off";
  on.addEventListener("change", () => storage()?.setItem(STORED, on.checked ? "on" : "off"));
  page.addEventListener("click", ({ target }) => {
    if (target.closest("[data-show-keys]")) dialog.showModal();
  });
  addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey || target.closest("input, select, textarea, dialog")) return;
    if (key === "?") return void dialog.showModal();
    if (!on.checked || !act(page, key, show)) return;
    event.preventDefault();
  });
}

/** Return the storage of the browser, or undefined if the user does not allow it. */
function storage() {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

/** Run the shortcut of a key; return true if it has one. */
function act(page, key, show) {
  const click = (selector) => page.querySelector(selector)?.click() ?? true;
  if (PERIODS[key]) show({ period: PERIODS[key], from: "", to: "" });
  else if (key === "g" || key === "e") click(key === "g" ? "#tab-goals" : "#tab-events");
  else if (key === "c") click("a.compare");
  else if (key === "x") click("[data-clear-filters]");
  else if (key === "/") {
    click("#tab-events");
    page.querySelector("#panel-events [data-search]")?.focus();
  } else return false;
  return true;
}
