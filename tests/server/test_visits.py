"""Visitors, sessions and page visits of senders without ids of their own (STORE-4)."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reference_server.ingest.sessions import Sessions

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def visits(tmp_path: Path) -> Iterator[Sessions]:
    """Visits on an empty state folder."""
    with closing(Sessions(tmp_path)) as made:
        yield made


def visitor(
    visits: Sessions, now: datetime, *, site: str = "a.test", ip: str = "192.0.2.1", agent: str = "x"
) -> str:
    """Return the id of a visitor who differs in the given arguments."""
    return visits.visitor(site=site, ip=ip, user_agent=agent, now=now)


def test_a_visitor_is_the_same_all_day(visits: Sessions) -> None:
    """A day lasts from midnight to midnight, UTC."""
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert visitor(visits, midnight) == visitor(visits, midnight + timedelta(days=1) - MOMENT)


def test_a_visitor_is_another_one_tomorrow(visits: Sessions) -> None:
    """Visitors cannot be followed from day to day."""
    assert visitor(visits, NOON) != visitor(visits, NOON + timedelta(days=1))


def test_the_salt_of_yesterday_is_forgotten(visits: Sessions) -> None:
    """Not even the server can compute an id of a past day."""
    before = visitor(visits, NOON)
    visitor(visits, NOON + timedelta(days=1))
    assert visitor(visits, NOON) != before


def test_visitors_differ_by_site_address_and_agent(visits: Sessions) -> None:
    """Four different senders are four visitors."""
    ids = {
        visitor(visits, NOON),
        visitor(visits, NOON, site="b.test"),
        visitor(visits, NOON, ip="192.0.2.2"),
        visitor(visits, NOON, agent="y"),
    }
    assert len(ids) == 4


def test_two_processes_agree(visits: Sessions, tmp_path: Path) -> None:
    """Workers that share a state folder see the same visitor, session and page visit."""
    with closing(Sessions(tmp_path)) as other:
        visits.enter(site="a.test", session="s", pageview="p", now=NOON)
        assert visitor(other, NOON) == visitor(visits, NOON)
        assert other.session("v", NOON) == visits.session("v", NOON)
        assert other.current(site="a.test", session="s") == "p"


def test_a_session_lasts_while_events_come(visits: Sessions) -> None:
    """Its length is unlimited if events are less than 30 minutes apart."""
    times = [NOON + number * (HALF_AN_HOUR - MOMENT) for number in range(5)]
    assert len({visits.session("v", now) for now in times}) == 1


def test_a_session_ends_after_30_minutes_without_events(visits: Sessions) -> None:
    """The next event begins a new session."""
    assert visits.session("v", NOON) != visits.session("v", NOON + HALF_AN_HOUR)


def test_the_latest_page_visit_counts(visits: Sessions) -> None:
    """An event belongs to the page that was entered last."""
    for pageview in ("p1", "p2"):
        visits.enter(site="a.test", session="s", pageview=pageview, now=NOON)
    assert visits.current(site="a.test", session="s") == "p2"


def test_an_unknown_session_is_on_no_page(visits: Sessions) -> None:
    """No id is invented."""
    assert visits.current(site="a.test", session="s") == ""
