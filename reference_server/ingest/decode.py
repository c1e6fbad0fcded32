"""Decode the body of a request into the members of a payload, at a cost proportional to its length.

Members that the protocol does not name are validated but not decoded, and so are arrays and objects where
they have no meaning.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from reference_server.ingest.normalise import Rejected

_ABSENT = msgspec.Raw(b"")
_MEMBERS = ("t", "n", "mk", "mv", "ra", "rc", "d", "u", "r", "s", "p")
_ARRAYS = frozenset({"mk", "mv"})
_SHOWN = 1000  # Bytes up to which a meaningless array or object is still decoded, for the live page.
_Outline = msgspec.defstruct(
    "_Outline", [(name, msgspec.Raw, msgspec.field(default=_ABSENT)) for name in _MEMBERS], gc=False
)
_OUTLINE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Outline)
# Python's own conversion to float: msgspec's takes 20 µs for 1e300 and refuses numbers beyond the largest
# double.
_QUICK = msgspec.json.Decoder(float_hook=float)
# For integers of more than 4,300 digits, which msgspec refuses. They become doubles in any case (PROP-4).
_SLOW = json.JSONDecoder(parse_int=float)
_MARK = b"\xef\xbb\xbf"
_BACKSLASH, _STAND_IN = rb"\\", b"\0\0"  # JSON cannot contain NUL.
_LONE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)


def decode(body: bytes) -> dict[str, Any]:
    """Return the members that the protocol names from the JSON object in a body.

    Amounts are exact decimals. A byte-order mark is ignored, and a lone surrogate becomes U+FFFD
    (PROP-6). Of a repeated key the last value counts, as in JavaScript. Raises Rejected if the body is
    not a JSON object in UTF-8 (WIRE-8).
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise Rejected(f"the body is not UTF-8 (byte {error.start})") from None
        body = body.removeprefix(_MARK)
    try:
        outline = _outline(body)
        raws = {name: getattr(outline, name) for name in _MEMBERS}
        return {name: _value(name, bytes(raw)) for name, raw in raws.items() if raw is not _ABSENT}
    except RecursionError:
        raise Rejected("the body is nested too deeply") from None
    except InvalidOperation:
        raise Rejected("the exponent of ra is out of range") from None


def _outline(body: bytes) -> Any:
    """Return each member as raw, valid JSON without lone surrogates."""
    try:
        try:
            return _OUTLINE.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if rb"\u" not in body or b"\0" in body:
                raise
            return _OUTLINE.decode(without_lone_surrogates(body))
    except msgspec.ValidationError:
        raise Rejected("the body must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise Rejected(f"the body is not JSON: {error}") from None


def without_lone_surrogates(body: bytes) -> bytes:
    """Return JSON text in which U+FFFD replaces each escape of a lone surrogate (PROP-6)."""
    marked = body.replace(_BACKSLASH, _STAND_IN)  # Now every backslash begins an escape.
    return _LONE.sub(rb"\\ufffd", marked).replace(_STAND_IN, _BACKSLASH)


def _value(name: str, raw: bytes) -> Any:
    first = raw[:1]
    if first in b"[{" and name not in _ARRAYS and len(raw) > _SHOWN:
        return [] if first == b"[" else {}
    if name == "ra" and first in b"-0123456789":
        return Decimal(raw.decode())
    try:
        return _QUICK.decode(raw)
    except ValueError:
        return _SLOW.decode(raw.decode())
