"""Names of events: comparison apart from case, spacing and Unicode form, and their text in messages."""

import unicodedata


def folded(name: str) -> str:
    """Return a text that is equal for names that look alike: case, spacing and Unicode form are removed."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def quoted(name: str) -> str:
    """Return a name in quotes; escapes show letters that are composed in another way than usual."""
    return repr(name) if unicodedata.is_normalized("NFC", name) else ascii(name)
