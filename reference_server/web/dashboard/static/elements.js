// Creates elements. Text of visitors always becomes text nodes, never markup.

// Characters that are drawn as nothing, or as a space at an end or beside another one. Joiners of emoji, Arabic and
// Indic scripts are part of what they join. The pages of the server mark the same: analytics/lookalikes.py.
const JOINED = String.raw`(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{Script=Arabic}\u094d\u09cd\u0d4d])[\u200c\u200d]`;
const BLANK = String.raw`\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u034f\u115f\u1160\u2800\u3164\uffa0`;
const UNSEEN = new RegExp(String.raw`(?!${JOINED})[${BLANK}]|^ | $| (?= )|(?<= ) `, "gu");
const SIGNS = { " ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥" };
const LONGEST = 160;

/** Return an element with an optional class and text. */
export function element(tag, style, text) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Return an element with text of a visitor, isolated in its writing direction, cut if long, invisible ones marked. */
export function sent(text, style, tag = "span") {
  const outer = element(tag, style);
  const inner = element("bdi", "sent");
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  let done = 0;
  for (const { 0: char, index } of shown.matchAll(UNSEEN)) {
    const mark = element("span", "mark", char);
    const code = `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    mark.dataset.mark = SIGNS[char] ?? code;
    mark.title = code;
    inner.append(shown.slice(done, index), mark);
    done = index + char.length;
  }
  inner.append(shown.slice(done));
  outer.append(inner);
  return outer;
}
