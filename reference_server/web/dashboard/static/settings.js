// Suggests names of seen events, including those too many to be part of the page.

const TYPING_MS = 200;

const input = document.querySelector("[data-names]");
const list = document.getElementById("names");
let timer;

input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(suggest, TYPING_MS);
});

async function suggest() {
  const address = new URL(input.dataset.names, location.href);
  address.searchParams.set("search", input.value);
  const answer = await fetch(address);
  if (!answer.ok) return;
  const { names } = await answer.json();
  list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
}
