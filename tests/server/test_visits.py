"""Visitors, sessions and page visits of senders without ids of their own (STORE-4)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reference_server.ingest.sessions import Sessions

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
SECRET = b"s" * 32
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    """Visits on an empty state folder."""
    with closing(Sessions(tmp_path, SECRET)) as made:
        yield made


def visitor(
    sessions: Sessions, now: datetime, *, site: str = "a.test", ip: str = "192.0.2.1", agent: str = "x"
) -> str:
    """Return the id of a visitor who differs in the given arguments."""
    return sessions.visitor(site=site, ip=ip, user_agent=agent, now=now)


def test_a_visitor_is_the_same_all_day(sessions: Sessions) -> None:
    """A day lasts from midnight to midnight, UTC."""
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert visitor(sessions, midnight) == visitor(sessions, midnight + timedelta(days=1) - MOMENT)


def test_a_visitor_is_another_one_tomorrow(sessions: Sessions) -> None:
    """Visitors cannot be followed from day to day."""
    assert visitor(sessions, NOON) != visitor(sessions, NOON + timedelta(days=1))


def test_nodes_with_one_secret_agree(sessions: Sessions, tmp_path: Path) -> None:
    """A visitor is the same on all nodes; ids of another secret cannot be compared."""
    with (
        closing(Sessions(tmp_path / "b", SECRET)) as other,
        closing(Sessions(tmp_path / "c", b"x" * 32)) as strange,
    ):
        assert visitor(other, NOON) == visitor(sessions, NOON)
        assert visitor(strange, NOON) != visitor(sessions, NOON)


def test_a_salt_of_earlier_versions_is_erased(tmp_path: Path) -> None:
    """Ids of past days cannot be traced back with it."""
    with closing(sqlite3.connect(tmp_path / "visits.sqlite")) as db, db:
        db.execute("CREATE TABLE salts (day TEXT PRIMARY KEY, salt BLOB NOT NULL)")
        db.execute("INSERT INTO salts VALUES ('2026-02-28', 'the salt of a day')")
    with closing(Sessions(tmp_path, SECRET)) as sessions:
        visitor(sessions, NOON)
    assert [file for file in tmp_path.iterdir() if b"the salt of a day" in file.read_bytes()] == []


def test_visitors_differ_by_site_address_and_agent(sessions: Sessions) -> None:
    """Four different senders are four visitors."""
    ids = {
        visitor(sessions, NOON),
        visitor(sessions, NOON, site="b.test"),
        visitor(sessions, NOON, ip="192.0.2.2"),
        visitor(sessions, NOON, agent="y"),
    }
    assert len(ids) == 4


def test_two_processes_agree(sessions: Sessions, tmp_path: Path) -> None:
    """Workers that share a state folder see the same visitor, session and page visit."""
    with closing(Sessions(tmp_path, SECRET)) as other:
        sessions.enter(site="a.test", session="s", pageview="p", now=NOON)
        assert visitor(other, NOON) == visitor(sessions, NOON)
        assert other.session("v", NOON) == sessions.session("v", NOON)
        assert other.current(site="a.test", session="s") == "p"


def test_a_session_lasts_while_events_come(sessions: Sessions) -> None:
    """Its length is unlimited if events are less than 30 minutes apart."""
    times = [NOON + number * (HALF_AN_HOUR - MOMENT) for number in range(5)]
    assert len({sessions.session("v", now) for now in times}) == 1


def test_a_session_ends_after_30_minutes_without_events(sessions: Sessions) -> None:
    """The next event begins a new session."""
    assert sessions.session("v", NOON) != sessions.session("v", NOON + HALF_AN_HOUR)


def test_the_latest_page_visit_counts(sessions: Sessions) -> None:
    """An event belongs to the page that was entered last."""
    for pageview in ("p1", "p2"):
        sessions.enter(site="a.test", session="s", pageview=pageview, now=NOON)
    assert sessions.current(site="a.test", session="s") == "p2"


def test_an_unknown_session_is_on_no_page(sessions: Sessions) -> None:
    """No id is invented."""
    assert sessions.current(site="a.test", session="s") == ""
