"""Invisible characters, and names that look the same (Unicode confusables, UTS 39). Pure functions."""

import unicodedata
from functools import cache

# Letters and symbols that fonts draw as nothing: combining grapheme joiner, Hangul fillers, Khmer inherent
# vowels, Mongolian variation selectors, blank Braille.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_JOINERS = ("\u200c", "\u200d")
_VIRAMA = 9  # Combining class.


def invisible(text: str, at: int) -> bool:
    """Return True if the character at this place is drawn as nothing, or as a space of another kind.

    Joiners and variation selectors are part of how their neighbours are written in emoji, Arabic and Indic
    scripts, and count as visible there. A single U+0020 between other characters counts as visible, too.
    """
    char = text[at]
    if char != " " and char.isprintable() and char not in _BLANK and not "\ufe00" <= char <= "\ufe0f":
        return False
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if char == " ":
        return not (before.strip() and after.strip())
    if char in _JOINERS:
        return not _joins(before, after)
    if "\ufe00" <= char <= "\ufe0f":
        return not before or unicodedata.category(before)[0] not in "SPN"
    return char in _BLANK or unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def _joins(before: str, after: str) -> bool:
    if not before or not after:
        return False
    emoji = unicodedata.category(before) in ("So", "Sk", "Mn") and unicodedata.category(after) == "So"
    arabic = unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    return emoji or arabic or unicodedata.combining(before) == _VIRAMA


def skeleton(name: str) -> str:
    """Return a text that is the same for names that look the same, apart from case and spacing.

    Invisible characters are left out, compatibility forms are replaced (NFKC), and letters of other
    scripts by the ASCII letters that they are mistaken for. Other letters, such as é, stay.
    """
    shown = (char for at, char in enumerate(name) if not invisible(name, at))
    text = unicodedata.normalize("NFKC", "".join(shown))
    return "".join("".join(_ascii(char) for char in text).casefold().split())


@cache
def _ascii(char: str) -> str:
    """Return the ASCII text that a character of another script is confused with, or the character."""
    if char.isascii():
        return char
    # Its import reads tables for a tenth of a second, which processes without such names need not spend.
    from confusable_homoglyphs.confusables import is_confusable  # noqa: PLC0415

    found = is_confusable(char, preferred_aliases=["latin"]) or []
    for glyph in (each["c"] for entry in found for each in entry["homoglyphs"]):
        if glyph.isascii() and glyph.isalnum():
            return str(glyph)
    return char
