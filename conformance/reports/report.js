// Filters the list of cases, opens the target of a link, and copies repeat commands. The page works without it.
(() => {
  const form = document.querySelector("#filter");
  const rows = [...document.querySelectorAll("#cases > details")];
  const shown = document.querySelector("#shown");

  const filter = () => {
    const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = form.status.value;
    const lane = form.lane.value;
    let count = 0;
    for (const row of rows) {
      const { words: own, status: is, lane: at } = row.dataset;
      row.hidden = !((!status || (status === "run" ? is !== "not run" : is === status)) && (!lane || at === lane) && words.every((w) => own.includes(w)));
      if (!row.hidden) count += 1;
    }
    shown.textContent = `${count} of ${rows.length} shown`;
  };

  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.hidden) {
      form.reset();
      form.status.value = "";
      filter();
    }
    if (target instanceof HTMLDetailsElement) target.open = true;
    target.scrollIntoView();
  };

  if (form) {
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    filter();
  }
  addEventListener("hashchange", open);
  open();

  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }
})();
