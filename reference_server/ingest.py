"""From the bytes of a request to a stored event."""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from reference_server.clickhouse.schema import EventRow
from reference_server.normalise import Event, Rejected, normalise
from reference_server.sites import Sites, host_of
from reference_server.visits import Visits


@dataclass(kw_only=True, slots=True)
class Arrival:
    """A request as far as it matters: its body, and what its headers and connection tell about the sender."""

    body: bytes
    received: datetime
    ip: str
    user_agent: str = ""
    origin: str = ""
    referer: str = ""
    host: str = ""


class Ingest:
    """Makes rows of arrivals."""

    def __init__(self, *, sites: Sites, visits: Visits) -> None:
        self._sites = sites
        self._visits = visits

    def take(self, arrival: Arrival) -> tuple[EventRow | None, tuple[str, ...]]:
        """Return the row of a request, if one of the sites is meant, and notes on what was changed.

        Raises Rejected for what is no event, and sqlite3.Error.
        """
        event = normalise(decode(arrival.body))
        # "null" is the origin of sandboxed frames and files.
        origin = "" if arrival.origin == "null" else arrival.origin
        site = self._sites.find((event.domain, event.url, origin, arrival.referer, arrival.host))
        if site is None:
            return None, (*event.notes, "the site is not registered: event dropped")
        hostname = host_of(event.url or origin or arrival.referer)
        return self._row(event, site, arrival, hostname), event.notes

    def _row(self, event: Event, site: str, arrival: Arrival, hostname: str) -> EventRow:
        """The row of an event, linked to its visitor, session and page visit (STORE-4)."""
        now = arrival.received
        visitor = self._visits.visitor(site=site, ip=arrival.ip, user_agent=arrival.user_agent, now=now)
        session = event.session or self._visits.session(visitor, now)
        pageview = event.pageview
        if not pageview:
            pageview = self._visits.current(site=site, session=session)
        elif event.type == "pageview":
            self._visits.enter(site=site, session=session, pageview=pageview, now=now)
        return EventRow(
            site_id=site,
            timestamp=now,
            type=event.type,
            name=event.name,
            visitor_id=visitor,
            session_id=session,
            pageview_id=pageview,
            hostname=hostname,
            pathname=_path_of(event.url),
            referrer=event.referrer,
            meta_keys=event.meta_keys,
            meta_values=event.meta_values,
            revenue_source_amount=event.amount,
            revenue_source_currency=event.currency,
        )


def decode(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds, its numbers as exact decimals. Raises Rejected (WIRE-8).

    A byte-order mark is no harm. Of a key that comes twice the last value counts, as in JavaScript.
    """
    try:
        payload = _QUICK.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError, ArithmeticError):
        return _decode(body)
    return payload if isinstance(payload, dict) else _decode(body)


def _decode(body: bytes) -> dict[str, Any]:
    """The same, several times slower: it reads what the quick one does not, and says what is wrong."""
    try:
        payload = _DECODER.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Rejected(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise Rejected(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Rejected("the body is nested too deeply") from None
    except InvalidOperation:
        raise Rejected("a number has an exponent out of all bounds") from None
    if not isinstance(payload, dict):
        raise Rejected("the body must be a JSON object")
    return payload


def _refuse_constant(name: str) -> NoReturn:
    raise Rejected(f"the body is not JSON: {name} is no number there")


_QUICK = msgspec.json.Decoder(float_hook=Decimal)
# Integers become decimals, too: Python refuses to read ones of more than 4,300 digits as int.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse_constant)


@lru_cache(4096)
def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
