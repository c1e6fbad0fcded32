// Suggests names of seen events, including those too many to be part of the page.

const TYPING_MS = 200;

const input = document.querySelector("[data-names]");
const list = document.getElementById("names");
const unknown = document.querySelector("[data-unknown]");
const MOST = 50; // Names in an answer: if there are as many, this one may be missing.
let timer;

input.addEventListener("input", () => {
  unknown.hidden = true;
  clearTimeout(timer);
  timer = setTimeout(suggest, TYPING_MS);
});

async function suggest() {
  const address = new URL(input.dataset.names, location.href);
  const typed = input.value;
  address.searchParams.set("search", typed);
  const answer = await fetch(address);
  if (!answer.ok) return;
  const { names } = await answer.json();
  if (typed !== input.value) return; // A later answer is on its way.
  unknown.hidden = !typed || names.length >= MOST || names.includes(typed);
  list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
}
