"""Acknowledgements compared with rows: each kind of fault is counted separately."""

import pytest

from conformance.load.fingerprint import Nonce
from conformance.load.journal import JournalEntry
from conformance.load.ledger import Ledger, Reconciled, Row
from conformance.load.mix import RequestKind

RUN = "cp01"
# Of four events the third was refused and the fourth not answered; the fifth number is malformed.
STATUSES = (202, 202, 503, 0)
SOUND = {"sent": 4, "acknowledged": 2, "refused": 1, "unanswered": 1, "bad": 1, "bad_refused": 1}


def answer(number: int, status: int, kind: RequestKind = RequestKind.EVENT) -> JournalEntry:
    """Return the response to an event of the sender ``a``."""
    return JournalEntry("a", kind, number, status, due=0.0, sent=0.0, done=0.0)


def row(number: int, *, sender: str = "a", intact: bool = True) -> Row:
    """Return a stored row."""
    return Row(Nonce(sender, number), intact)


@pytest.fixture
def ledger() -> Ledger:
    """Return a ledger with the responses."""
    ledger = Ledger()
    for number, status in enumerate(STATUSES):
        ledger.answered(answer(number, status))
    ledger.answered(answer(4, 400, RequestKind.MALFORMED))
    ledger.answered(answer(-1, 202, RequestKind.PAGEVIEW))
    return ledger


@pytest.mark.parametrize(
    ("rows", "found", "example"),
    [
        pytest.param([row(0), row(1)], {"stored": 2}, {}, id="all is well"),
        pytest.param([row(0)], {"stored": 1, "lost": 1}, {"lost": ["cp01.a.1"]}, id="one lost"),
        pytest.param(
            [row(0), row(0), row(1)], {"stored": 2, "doubled": 1}, {"doubled": ["cp01.a.0"]}, id="one doubled"
        ),
        pytest.param(
            [row(0), row(1, intact=False)],
            {"stored": 2, "altered": 1},
            {"altered": ["cp01.a.1"]},
            id="one altered",
        ),
        pytest.param(
            [row(0), row(1), row(2), row(3)],
            {"stored": 2, "unacknowledged": 2},
            {},
            id="more than promised",
        ),
        pytest.param(
            [row(0), row(1), row(3), row(3)],
            {"stored": 2, "unacknowledged": 1, "doubled": 1},
            {"doubled": ["cp01.a.3"]},
            id="what was never answered is doubled",
        ),
        pytest.param(
            [row(0), row(1), row(4)],
            {"stored": 2, "bad_stored": 1},
            {"bad_stored": ["cp01.a.4"]},
            id="no event",
        ),
        pytest.param(
            [row(0), row(1), row(7, sender="b"), Row(None, True)],
            {"stored": 2, "stray": 2},
            {},
            id="stray",
        ),
    ],
)
def test_each_fault_is_counted(
    ledger: Ledger, rows: list[Row], found: dict[str, int], example: dict[str, list[str]]
) -> None:
    """Each kind of fault is counted once, named by its nonce, and does not affect the other counts."""
    ledger.stored(rows)
    assert ledger.reconcile(RUN) == Reconciled(**{**SOUND, **found}, examples=example)


def test_reading_again_replaces(ledger: Ledger) -> None:
    """Rows that are read a second time are not counted twice."""
    ledger.stored([row(0), row(9)])
    ledger.stored([row(0), row(1)])
    found = ledger.reconcile(RUN)
    assert (found.stored, found.doubled, found.stray) == (2, 0, 0)


def test_bent_record_is_noticed(ledger: Ledger) -> None:
    """The canary removes one row and doubles another, and both are noticed."""
    ledger.stored([row(0), row(1)])
    assert ledger.bend()
    found = ledger.reconcile(RUN)
    assert (found.lost, found.doubled) == (1, 1)


def test_too_little_to_bend(ledger: Ledger) -> None:
    """With a single event nothing is altered."""
    ledger.stored([row(0)])
    assert not ledger.bend()
    assert ledger.reconcile(RUN).stored == 1


def test_millions_fit() -> None:
    """An event takes two bytes, so that ten million take about 20 MB."""
    ledger = Ledger()
    ledger.answered(answer(10_000_000, 202))
    ledger.stored([row(10_000_000)])
    [sender] = ledger._senders.values()
    assert len(sender.fates) + len(sender.rows) < 20_010_000
