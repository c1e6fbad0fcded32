// Updates a part of the page from the server's HTML and keeps focus, selection and open rows.
//
// Idiomorph 0.8 (npm) passes tests/dashboard/test_refresh.py in its place, but only where npm has built
// static/vendor: in a checkout without npm the page could neither list events nor update itself (DASH-1 to DASH-3), while
// the other file that needs npm, uPlot, leaves a table. It would add 10.6 KB to the page and save 45 lines here.

// Attributes that the page itself changes while in use.
const OURS = ["aria-expanded", "aria-selected", "aria-busy", "hidden", "open", "tabindex"];

/** Change `old` into `fresh`, except for the children of elements with `data-own`. */
export function morph(old, fresh) {
  keepingFocus(() => change(old, fresh));
}

/** Change the children of `old` into those of `fresh`; `data-key` identifies rows. */
export function morphChildren(old, fresh) {
  keepingFocus(() => children(old, fresh));
}

/** Restore the focus after work: browsers drop it from an element that is moved. */
function keepingFocus(work) {
  const focused = document.activeElement;
  work();
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

function change(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const ours = (name) => OURS.includes(name) || (name === "value" && old.nodeName === "INPUT");
  for (const { name, value } of fresh.attributes) {
    if (!ours(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!ours(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  if (!fresh.hasAttribute("data-own")) children(old, fresh);
}

function children(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    const same = key === undefined ? alike(at, next) && at : keyed.get(key);
    if (!same) {
      old.insertBefore(next, at);
    } else {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      change(same, next);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;
}

function alike(old, next) {
  return old && old.nodeName === next.nodeName && keyOf(old) === undefined;
}
