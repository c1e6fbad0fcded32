"""Canonical domain names: lower-case ASCII, as browsers send them. Pure."""

import re
from bisect import bisect_left, insort
from functools import lru_cache
from itertools import groupby

import idna

DOMAIN_LIMIT = 253  # RFC 1035, as text without the final dot.
_LABEL_LIMIT = 63
# Underscores are not allowed in host names, but are in use.
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\]")
_AUTHORITY = re.compile(r"(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?(?P<authority>[^/?#\\]*)")
_PORT = re.compile(r":[0-9]{0,5}\Z")
# RFC 3492, section 5.
_BASE, _T_MIN, _T_MAX, _SKEW, _DAMP, _FIRST_BIAS, _FIRST_CODE = 36, 1, 26, 38, 700, 72, 128
_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
_CACHED = 1024


def host_of(address: str) -> str:
    """Return the canonical host of a URL or a bare domain, without port, or "". Never raises.

    The form is that of ``canonical``; IPv6 addresses have no brackets.
    """
    match = _AUTHORITY.match(address.strip())
    assert match  # All parts of the pattern are optional.
    # User and password end with the last @.
    return canonical(_PORT.sub("", match["authority"].rpartition("@")[2]))


def path_of(url: str) -> str:
    """Return the path of a URL, without query and fragment. Never raises."""
    match = _AUTHORITY.match(url)
    assert match
    return url[match.end() :].partition("#")[0].partition("?")[0]


def canonical(host: str) -> str:
    """Return the form under which a host is stored, or "" if it is not a valid DNS name.

    Unicode is mapped as in UTS 46 (case, width, other dots) and written as A-labels (RFC 3492), as
    browsers do: ``münchen.example`` becomes ``xn--mnchen-3ya.example``. Emoji are kept, although IDNA
    2008 excludes them, because browsers keep them.
    """
    if len(host) > DOMAIN_LIMIT + 1:
        return ""
    return _canonical(host)


@lru_cache(_CACHED)
def _canonical(host: str) -> str:
    name = (host if host.isascii() else _mapped(host)).lower().rstrip(".")
    if len(name) <= DOMAIN_LIMIT and _NAME.fullmatch(name):
        return name
    return name[1:-1] if _IPV6.fullmatch(name) else ""


def _mapped(host: str) -> str:
    """Return a Unicode host as A-labels, or "" if it is not a valid domain or too long."""
    try:
        labels = idna.uts46_remap(host, std3_rules=False, transitional=False).split(".")
    except idna.IDNAError:
        return ""
    room = DOMAIN_LIMIT + 1
    for place, label in enumerate(labels):
        # Each character of a label takes at least one character of its A-label.
        if len(label) > _LABEL_LIMIT:
            return ""
        if not label.isascii():
            labels[place] = f"xn--{punycode(label)}"
        room -= len(labels[place]) + 1
        if room < -1:
            return ""
    return ".".join(labels)


def punycode(label: str) -> str:
    """Return a non-ASCII label in Punycode (RFC 3492), in time almost linear in its length.

    Python's codec is quadratic: a domain of 250 characters took 1 ms, as much as ten ordinary events.
    """
    basic = [place for place, character in enumerate(label) if character < "\x80"]
    text = [label[place] for place in basic] + ["-"] * bool(basic)
    others = sorted((ord(character), place) for place, character in enumerate(label) if character >= "\x80")
    handled, first = list(basic), len(basic)
    written, bias, delta, code = first, _FIRST_BIAS, 0, _FIRST_CODE
    for point, group in groupby(others, key=lambda other: other[0]):
        places = [place for _, place in group]
        delta += (point - code) * (written + 1)
        passed = 0
        for place in places:
            before = bisect_left(handled, place)
            delta += before - passed
            passed = before
            text.append(_variable(delta, bias))
            bias = _adapted(delta, written + 1, first=written == first)
            delta, written = 0, written + 1
        delta += len(handled) - passed + 1
        code = point + 1
        for place in places:
            insort(handled, place)
    return "".join(text)


def _variable(number: int, bias: int) -> str:
    """Return a number as a generalised variable-length integer (RFC 3492, section 3.3)."""
    digits = ""
    for position in range(_BASE, 50 * _BASE, _BASE):
        least = min(max(position - bias, _T_MIN), _T_MAX)
        if number < least:
            break
        number, digit = divmod(number - least, _BASE - least)
        digits += _DIGITS[least + digit]
    return digits + _DIGITS[number]


def _adapted(delta: int, count: int, *, first: bool) -> int:
    """Return the bias for the next number (RFC 3492, section 6.1)."""
    delta = delta // _DAMP if first else delta // 2
    delta += delta // count
    steps = 0
    while delta > (_BASE - _T_MIN) * _T_MAX // 2:
        delta //= _BASE - _T_MIN
        steps += _BASE
    return steps + (_BASE - _T_MIN + 1) * delta // (delta + _SKEW)


def site_of(address: str) -> str:
    """Return the domain by which a site is registered: canonical, without scheme, ``www.``, port and path."""
    return host_of(address).removeprefix("www.")
