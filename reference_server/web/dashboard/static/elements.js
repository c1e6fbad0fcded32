// Creates elements. Text of visitors always becomes text nodes, never markup.

/** Return an element with an optional class and text. */
export function element(tag, style, text) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Return an element with text of a visitor, isolated in its writing direction and cut if long. */
export function sent(text, style, tag = "span") {
  const outer = element(tag, style);
  outer.append(element("bdi", "sent", text.length > 160 ? `${text.slice(0, 160)}…` : text));
  return outer;
}
