// Makes elements. What visitors sent becomes their text, never markup.

/** Return an element with a class and a text, where they are given. */
export function element(tag, style, text) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Return an element with text of a visitor, isolated in its writing direction; what is long, cut. */
export function sent(text, style, tag = "span") {
  const outer = element(tag, style);
  outer.append(element("bdi", "sent", text.length > 160 ? `${text.slice(0, 160)}…` : text));
  return outer;
}
