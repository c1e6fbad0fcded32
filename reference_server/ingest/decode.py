"""From the bytes of a request to the members of a payload, at a cost that its length bounds.

Nothing is made of what nobody looks at: members that the protocol does not name are checked and passed over,
and so is an array or object where none has a meaning.
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
_SHOWN = 1000  # Bytes of an array or object without a meaning that are still decoded, for the live page.
_Outline = msgspec.defstruct(
    "_Outline", [(name, msgspec.Raw, msgspec.field(default=_ABSENT)) for name in _MEMBERS], gc=False
)
_OUTLINE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Outline)
# By Python's own conversion: msgspec's takes 20 µs for 1e300, and refuses what is beyond the largest double.
_QUICK = msgspec.json.Decoder(float_hook=float)
# Reads what the quick one refuses: integers of more than 4,300 digits. They become doubles anyway (PROP-4).
_SLOW = json.JSONDecoder(parse_int=float)
_MARK = b"\xef\xbb\xbf"
_BACKSLASH, _STAND_IN = rb"\\", b"\0\0"  # No JSON has a NUL.
_LONE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)


def decode(body: bytes) -> dict[str, Any]:
    """Return the members of the JSON object in a body that the protocol names. Raises Rejected (WIRE-8).

    Amounts are exact decimals. A byte-order mark is no harm; a lone surrogate is U+FFFD (PROP-6). Of a key
    that comes twice the last value counts, as in JavaScript.
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
        raise Rejected("ra has an exponent out of all bounds") from None


def _outline(body: bytes) -> Any:
    """Return the members as they are written, each of them valid JSON without lone surrogates."""
    try:
        try:
            return _OUTLINE.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            if rb"\u" not in body or b"\0" in body:
                raise
            return _OUTLINE.decode(_without_lone_surrogates(body))
    except msgspec.ValidationError:
        raise Rejected("the body must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise Rejected(f"the body is not JSON: {error}") from None


def _without_lone_surrogates(body: bytes) -> bytes:
    """Return JSON text with U+FFFD for each escape that is half a pair (PROP-6)."""
    marked = body.replace(_BACKSLASH, _STAND_IN)  # So that every backslash begins an escape.
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
