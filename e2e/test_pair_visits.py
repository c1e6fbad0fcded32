"""Which session and which page visit a row belongs to (STORE-4)."""

from conformance.bench import Bench
from conformance.browsers import Tab
from conformance.evidence import Evidence, NotTestable, Violation
from conformance.lanes.marks import scenarios
from conformance.lanes.pages import run
from conformance.lanes.pairing import joined, require_rows_of
from conformance.readback import StoredRow


@scenarios("pair/store-4-one-visit-one-session")
def test_one_visit(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """STORE-4: two events of one page visit share session and visit."""
    rows = _rows_of_two_events(bench, engine, evidence, token, pages=1)
    _require_linked(rows)
    if len({row.session_id for row in rows}) != 1:
        raise Violation(f"two events of one page visit are in two sessions: {_told(rows, 'session_id')}")
    if len({row.pageview_id for row in rows}) != 1:
        raise Violation(f"two events of one page visit point to two visits: {_told(rows, 'pageview_id')}")


@scenarios("pair/store-4-next-visit-same-session")
def test_next_visit(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """STORE-4: events before and after a link within the site share the session, not the page visit."""
    rows = _rows_of_two_events(bench, engine, evidence, token, pages=2)
    _require_linked(rows)
    if len({row.session_id for row in rows}) != 1:
        raise Violation(f"two pages of one tab are in two sessions: {_told(rows, 'session_id')}")
    if len({row.pageview_id for row in rows}) != 2:
        raise Violation(f"events of two page visits point to one: {_told(rows, 'pageview_id')}")


def _rows_of_two_events(
    bench: Bench, engine: str, evidence: Evidence, token: str, *, pages: int
) -> list[StoredRow]:
    tab = bench.tab(engine)
    try:
        with joined(bench):
            tab.goto(bench.page())
            _track(bench, tab, token, 1)
            if pages == 2:
                tab.goto(bench.page())
            _track(bench, tab, token, 2)
            evidence.sent = f"two events, on {pages} page{'s' * (pages - 1)} of one tab"
            return require_rows_of(bench, engine, evidence, token, 2)
    finally:
        tab.close()


def _track(bench: Bench, tab: Tab, token: str, number: int) -> None:
    """Make a call and see it arrive, so that no exit and no order of requests is part of this check."""
    run(tab, f"clickport.track('Step {number} {token}')")
    bench.events(token, number)


def _require_linked(rows: list[StoredRow]) -> None:
    for column in ("session_id", "pageview_id"):
        values = [getattr(row, column) for row in rows]
        if None in values:
            raise NotTestable(f"the readback does not tell {column}: add it to the rows to have it checked")
        if "" in values:
            raise Violation(f"a row has no {column}: {_told(rows, column)}")


def _told(rows: list[StoredRow], column: str) -> str:
    return ", ".join(f"{row.name.partition(' cp')[0]!r} has {getattr(row, column)!r}" for row in rows)
