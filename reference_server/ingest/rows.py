"""Conversion of a request's payload to a stored row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reference_server.domains import DOMAIN_LIMIT, host_of, path_of
from reference_server.event import Event, EventRow, Note, NoteCode
from reference_server.ingest.normalise import normalise
from reference_server.ingest.sessions import Sessions
from reference_server.ingest.sites import FoundSites, Sites


@dataclass(kw_only=True, slots=True)
class Arrival:
    """The relevant parts of a request: its body, its time, and what identifies the sender."""

    body: bytes
    received: datetime
    ip: str
    user_agent: str = ""
    origin: str = ""
    referer: str = ""
    host: str = ""


class RowBuilder:
    """Builds the rows of requests."""

    def __init__(self, *, sites: Sites, found: FoundSites, sessions: Sessions) -> None:
        self._sites = sites
        self._found = found
        self._sessions = sessions

    def take(self, payload: Mapping[str, Any], arrival: Arrival) -> tuple[EventRow | None, tuple[Note, ...]]:
        """Return the row of a request, or None if it is for no site of this server, and notes on changes.

        Raises Rejected if the payload is not an event, and sqlite3.Error.
        """
        event = normalise(payload)
        # Sandboxed frames and local files have the origin "null".
        origin = "" if arrival.origin == "null" else arrival.origin
        if event.domain.strip() and not host_of(event.domain):
            text = f"d is not a domain of at most {DOMAIN_LIMIT} characters: event dropped"
            return None, (*event.notes, Note(NoteCode.NO_DOMAIN, text))
        site = self._sites.find((event.domain, event.url, origin, arrival.referer, arrival.host))
        if site is None:
            return None, (*event.notes, Note(NoteCode.SITE, "the site is not registered: event dropped"))
        if not self._sites.registered and not self._found.admit(site, arrival.received):
            text = f"{self._found.most} unregistered sites are the limit: event dropped"
            return None, (*event.notes, Note(NoteCode.SITES, text))
        hostname = host_of(event.url or origin or arrival.referer)
        return self._row(event, site, arrival, hostname), event.notes

    def _row(self, event: Event, site: str, arrival: Arrival, hostname: str) -> EventRow:
        """Return the row of an event, linked to its visitor, session and page visit (STORE-4)."""
        now = arrival.received
        visitor = self._sessions.visitor(site=site, ip=arrival.ip, user_agent=arrival.user_agent, now=now)
        session = event.session or self._sessions.session(visitor, now)
        pageview = event.pageview
        if not pageview:
            pageview = self._sessions.current(site=site, session=session)
        elif event.type == "pageview":
            self._sessions.enter(site=site, session=session, pageview=pageview, now=now)
        return EventRow(
            site_id=site,
            timestamp=now,
            type=event.type,
            name=event.name,
            visitor_id=visitor,
            session_id=session,
            pageview_id=pageview,
            hostname=hostname,
            pathname=path_of(event.url),
            referrer=event.referrer,
            meta_keys=event.meta_keys,
            meta_values=event.meta_values,
            revenue_source_amount=event.amount,
            revenue_source_currency=event.currency,
        )
