"""Strict reading of a request body as the protocol's payload; numbers keep their exact decimal value."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from conformance.protocol.outcomes import Violation


def read_payload(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request body, numbers as Decimal (WIRE-2).

    Raises Violation unless the body is UTF-8 and one JSON object without ``NaN``, ``Infinity`` or duplicate
    keys.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Violation(f"the request body is not UTF-8: {error}") from error
    try:
        payload = json.loads(
            text,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_no_twins,
        )
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise Violation(f"the request body is not JSON: {error}; it begins {text[:120]!r}") from error
    if not isinstance(payload, dict):
        raise Violation(f"the request body is JSON, but not an object: it begins {text[:120]!r}")
    return payload


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} occurs twice")
    return members
