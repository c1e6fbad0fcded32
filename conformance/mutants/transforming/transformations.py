"""The transformations of ``fixtures/transformations.toml`` as functions of a text; None drops the text.

They serve the self-test alone: no check uses them, and expected values never come from here.
"""

import base64
import binascii
import html
import json
import posixpath
import quopri
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from urllib.parse import quote, unquote, urlsplit, urlunsplit

Transformation = Callable[[str], str | None]

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "N": ""}
_CURLED = {'"': "”", "'": "’", "--": "–", "...": "…", "(c)": "©"}
_STRAIGHT = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "’": "'", "–": "-", "—": "-", "−": "-", "…": "..."}
)
_NOTHING = {
    "",
    "null",
    "undefined",
    "none",
    "nil",
    "n/a",
    "nan",
    "-",
    "(none)",
    "(not set)",
    "[object object]",
    "xxx",
    "0",
    "0.0",
    "false",
    "~",
    " ",
    "\\n",
}
_YES_AND_NO = {
    "true": "true",
    "yes": "true",
    "on": "true",
    "y": "true",
    "false": "false",
    "no": "false",
    "off": "false",
}
_SIZES = (*(1 << power for power in range(1, 17)), 50, 100, 191, 255, 500, 1_000, 1_998)
_ATTACKS = re.compile(r"' OR .*|;? ?DROP .*|SELECT .*|(\.\./)+|javascript:|on\w+=|\$\{.*\}|\$\(.*\)|\r\n")
_CURRENCIES = {"USD", "EUR", "GBP", "JPY"}
_SECRETS = re.compile(
    r"[\w.+-]+@[\w.-]+"  # an e-mail address
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]+"  # a token
    r"|\b[A-Z]{2}\d{2}[A-Z\d]{11,}"  # a bank account
    r"|\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # a UUID
    r"|\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){2,7}"  # IPv6
    r"|\b\d{1,3}(\.\d{1,3}){3}"  # IPv4
    r"|\b[0-9a-f]{32}\b"  # a hash or a key
    r"|(?<=password=)\S+|\bdamn\b"  # a secret, and a swear word
    r"|\+?\d[\d ()-]{7,}\d"  # a card, a telephone or a social-security number
)
_PLACEHOLDERS = re.compile(
    r"\{\{.*?\}\}|\$\{.*?\}|#\{.*?\}|<%.*?%>|%\(\w+\)s|%[sd]|\{\w+\}|\$\w+|%\w+%|:\w+:|%%|\$\$"
)
_MARKUP = re.compile(r"\*+|~~|`|(?<=\w)_(?=\w)|\[(\w+)\]\(\w+\)|^#+ ")
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _json_decoded(text: str) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if value is None:
        return None
    return value if isinstance(value, str) else f"<{value}>"


def _base64_decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (ValueError, binascii.Error):
        return text


def _mail_decoded(text: str) -> str:
    if text.startswith("xn--"):
        return text.encode().decode("idna")
    word = re.fullmatch(r"=\?utf-8\?q\?(.*)\?=", text)
    return quopri.decodestring((word[1] if word else text).encode()).decode("utf-8", "replace")


def _backslashes_decoded(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[2] or match[3]
        return chr(int(code, 16)) if code else _ESCAPES.get(match[1], match[1])

    return re.sub(r"\\(u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|.)", character, text)


def _number(text: str) -> str:
    """Return the number that parsers such as parseFloat read from a text, as text."""
    for prefix, base in (("0x", 16), ("0b", 2), ("0o", 8)):
        if text.startswith(prefix):
            return str(int(text, base))
    if text in ("NaN", "Infinity"):
        return "0"
    match = _NUMBER.match(text)
    if not match:
        return text
    return f"{float(match[0].replace('_', '')) + 0.0:g}"


def _number_of_a_country(text: str) -> str:
    digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text)
    bare = re.sub(r"[,\s'$€%k]", "", digits)
    try:
        return str(Decimal(bare).normalize())
    except InvalidOperation:
        return "0" if re.search(r"\d", bare) else text


def _date(text: str) -> str:
    months = text.replace("Jan", "01")
    shape = r"\d{4}-\d|\d{1,2}[/.]\d{1,2}[/.]\d{4}|\d{8}$|\d{1,2} \d{2} \d{4}|\d{1,2}:\d{2}"
    return "2026-01-01 00:00:00" if re.search(shape, months) else text


def _word_for_nothing(text: str) -> str | None:
    return None if text.lower() in _NOTHING else text


def _web_address(text: str) -> str:
    if "//" not in text:
        return text
    parts = urlsplit(text)
    host = (parts.hostname or "").lower()
    return urlunsplit((parts.scheme or "https", host, parts.path.rstrip("/").lower(), "", "")).strip()


def _path(text: str) -> str:
    slashes = text.replace("\\", "/")
    return posixpath.normpath(slashes).removesuffix("/index.html") if "/" in slashes else text


def _identifier(text: str) -> str:
    return re.sub(r"^v(?=\d)|-|(?<=:)0:(?=0)", "", text.lower())


def _split(text: str) -> str:
    return re.split(r"[,;|\t]", text)[0]


def _unquoted(text: str) -> str:
    text = re.sub(r'""+', '"', text)
    return text.strip("\"'`") if text[:1] in ("'", '"', "`") else text


def _restyled(text: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.sub(r"[\W_]+", "", words.lower()) + "_"


def _without_accents(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _repeats_collapsed(text: str) -> str:
    return re.sub(r"(\b\w+\b)( \1\b)+|(.)\3+", lambda match: match[1] or match[3], text)


def _size_below(length: int) -> int:
    """Return the largest common size limit below a length."""
    return max(size for size in _SIZES if size < length)


def _cut_bytes(text: str) -> str:
    body = text.encode()
    return body[: _size_below(len(body))].decode("utf-8", "ignore")


def _without(pattern: str) -> Transformation:
    """Return a function that removes all matches of a pattern."""
    return lambda text: re.sub(pattern, "", text)


TRANSFORMATIONS: dict[str, Transformation] = {
    "url-decode": unquote,
    "plus-decode": lambda text: text.replace("+", " "),
    "url-encode": lambda text: quote(text, safe=""),
    "html-unescape": html.unescape,
    "html-escape": html.escape,
    "json-decode": _json_decoded,
    "json-encode": json.dumps,
    "backslash-decode": _backslashes_decoded,
    "quote-escape": lambda text: re.sub(r"(['\"`\\])", r"\1\1", text),
    "base64-decode": _base64_decoded,
    "base64-encode": lambda text: base64.b64encode(text.encode()).decode(),
    "mail-decode": _mail_decoded,
    "newlines-to-lf": lambda text: text.replace("\r\n", "\n").replace("\r", "\n"),
    "newlines-to-crlf": lambda text: re.sub("\r?\n", "\r\n", text),
    "newlines-of-unicode": lambda text: re.sub("[\u2028\u2029\u0085\u000b\u000c]", "\n", text),
    "spaces-collapsed": lambda text: re.sub("[ \t\r\n]+", " ", text),
    "spaces-of-unicode": lambda text: re.sub("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", text),
    "trim": lambda text: text.strip(" \t\r\n"),
    "trim-of-unicode": lambda text: text.strip("\u00a0\u3000\u2003\u2028\ufeff\u200b\u0085"),
    "punctuation-trimmed": lambda text: text.strip("?!:;.,#_-/…"),
    "lower-case": str.lower,
    "upper-case": str.upper,
    "title-case": lambda text: " ".join(word.capitalize() for word in text.split(" ")),
    "case-fold": str.casefold,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfd": lambda text: unicodedata.normalize("NFD", text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "ascii-fold": _without_accents,
    "tags-stripped": _without(r"<[^<>]*>"),
    "quotes-straightened": lambda text: text.translate(_STRAIGHT),
    "quotes-curled": lambda text: re.sub(r"\"|'|--|\.\.\.|\(c\)", lambda match: _CURLED[match[0]], text),
    "astral-lost": _without("[\U00010000-\U0010ffff]"),
    "one-byte-text": lambda text: text.encode().decode("cp1252", "replace"),
    "mojibake-repaired": lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
    "nul": lambda text: text.partition("\0")[0],
    "controls": _without("[\u0001-\u0008\u000e-\u001f\u007f-\u009f]"),
    "invisible-lost": _without("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff]"),
    "unusual-characters": _without("[\ue000-\uf8ff\ufdd0-\ufdef\ufffd-\uffff\U000f0000-\U0010ffff]"),
    "cut-characters": lambda text: text[: _size_below(len(text))],
    "cut-bytes": _cut_bytes,
    "number": _number,
    "number-of-a-country": _number_of_a_country,
    "date": _date,
    "boolean": lambda text: _YES_AND_NO.get(text.lower(), text),
    "nothing": _word_for_nothing,
    "web-address": _web_address,
    "path": _path,
    "masked": lambda text: _SECRETS.sub("***", text),
    "attack-filtered": lambda text: _ATTACKS.sub("", text),
    "identifier": _identifier,
    "template": lambda text: _PLACEHOLDERS.sub("", text),
    "markdown": lambda text: _MARKUP.sub(r"\1", text),
    "list-split": _split,
    "quotes-stripped": _unquoted,
    "formula-guarded": lambda text: re.sub(r"^(?=[=+\-@\t])", "'", text),
    "repeats-collapsed": _repeats_collapsed,
    "restyled": _restyled,
    "key-path": lambda text: re.sub(r"\W", "_", text),
    "key-reserved": lambda _: None,
    "currency-codes": lambda code: code if code in _CURRENCIES else "USD",
}
