"""Session and page visit of stored rows (STORE-4)."""

from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers.markers import scenarios
from conformance.drivers.pages import run
from conformance.drivers.pairs import joined, require_rows_of
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.readback import StoredRow

_BACK_SECONDS = 5.0


@scenarios("pair/store-4-one-visit-one-session")
def test_one_visit(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """STORE-4: two events of one page visit share session and page visit."""
    rows = _rows_of_two_events(instruments, engine, evidence, token, pages=1)
    _require_linked(rows)
    if len({row.session_id for row in rows}) != 1:
        raise Violation(f"two events of one page visit are in two sessions: {_listed(rows, 'session_id')}")
    if len({row.pageview_id for row in rows}) != 1:
        raise Violation(f"two events of one page visit point to two visits: {_listed(rows, 'pageview_id')}")


@scenarios("pair/store-4-next-visit-same-session")
def test_next_visit(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """STORE-4: events on two pages visited in one tab share the session, not the page visit."""
    rows = _rows_of_two_events(instruments, engine, evidence, token, pages=2)
    _require_linked(rows)
    if len({row.session_id for row in rows}) != 1:
        raise Violation(f"two pages of one tab are in two sessions: {_listed(rows, 'session_id')}")
    if len({row.pageview_id for row in rows}) != 2:
        raise Violation(f"events of two page visits point to one: {_listed(rows, 'pageview_id')}")


@scenarios("pair/store-4-two-tabs")
def test_two_tabs(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """STORE-4: two tabs on one URL are two page visits; an event belongs to its tab's."""
    first, second = instruments.tab(engine), instruments.tab(engine)
    try:
        with joined(instruments):
            url = instruments.page()
            first.goto(url)
            _track(instruments, first, token, 1)
            second.goto(url)
            _track(instruments, second, token, 2)
            _track(instruments, first, token, 3)
            evidence.sent = "an event in each of two tabs on one address, and one more in the first"
            rows = require_rows_of(instruments, engine, evidence, token, 3)
    finally:
        first.close()
        second.close()
    _require_linked(rows)
    visits = {
        number: row.pageview_id for row in rows for number in "123" if row.name == f"Step {number} {token}"
    }
    if len(visits) < len(rows):
        raise NotTestable(f"the rows cannot be matched to their events by name: {_listed(rows, 'name')}")
    if visits["1"] == visits["2"]:
        raise Violation(f"events of two tabs point to one page visit: {_listed(rows, 'pageview_id')}")
    if visits["1"] != visits["3"]:
        raise Violation(
            f"with a second tab open, the first one's event changed visits: {_listed(rows, 'pageview_id')}"
        )


@scenarios("pair/store-4-push-state", "pair/store-4-hash", "pair/store-4-restored")
def test_visit_within_a_page(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """STORE-4, open: the page visit of an event after a change of URL, or on a restored page."""
    way = evidence.case.id.partition("/store-4-")[2]
    with closing(instruments.tab(engine, frozen_pages=way == "restored")) as tab, joined(instruments):
        tab.goto(instruments.page(stored=True))
        _track(instruments, tab, token, 1)
        _move(instruments, engine, tab, token, way)
        instruments.events(token, 2)
        evidence.sent = f"an event before and one after: {way}"
        rows = require_rows_of(instruments, engine, evidence, token, 2)
    _require_linked(rows)
    if len({row.pageview_id for row in rows}) == 1:
        raise Violation("both events point to one page visit")


def _move(instruments: Instruments, engine: str, tab: Tab, token: str, way: str) -> None:
    """Change the URL or return from the back/forward cache, and make the second call."""
    call = f"clickport.track('Step 2 {token}')"
    if way == "push-state":
        run(tab, f"history.pushState(null, '', '?step=2'); {call}")
    elif way == "hash":
        run(tab, f"location.hash = 'two'; {call}")
    else:
        # The page acts by itself, because automation may lose track of a frozen page.
        tab.run(f"addEventListener('pageshow', (event) => {{ if (event.persisted) {call} }})")
        tab.goto(instruments.page(stored=True))
        tab.run("setTimeout(() => history.back())")
        if not instruments.recorder.wait(2, token=token, method="POST", seconds=_BACK_SECONDS)[1:]:
            raise NotTestable(f"{engine} did not restore the page from its back/forward cache")


def _rows_of_two_events(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, *, pages: int
) -> list[StoredRow]:
    with closing(instruments.tab(engine)) as tab, joined(instruments):
        tab.goto(instruments.page())
        _track(instruments, tab, token, 1)
        if pages == 2:
            tab.goto(instruments.page())
        _track(instruments, tab, token, 2)
        evidence.sent = f"two events, on {pages} page{'s' * (pages - 1)} of one tab"
        return require_rows_of(instruments, engine, evidence, token, 2)


def _track(instruments: Instruments, tab: Tab, token: str, number: int) -> None:
    """Make a call and await its request, so that neither exits nor the order of requests matter."""
    run(tab, f"clickport.track('Step {number} {token}')")
    instruments.events(token, number)


def _require_linked(rows: list[StoredRow]) -> None:
    for column in ("session_id", "pageview_id"):
        values = [getattr(row, column) for row in rows]
        if None in values:
            raise NotTestable(f"the readback has no {column}: add it to its rows to have it checked")
        if "" in values:
            raise Violation(f"a row has no {column}: {_listed(rows, column)}")


def _listed(rows: list[StoredRow], column: str) -> str:
    return ", ".join(f"{str(row.name).partition(' cp')[0]!r} has {getattr(row, column)!r}" for row in rows)
