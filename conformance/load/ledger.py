"""The ledger of a load run: a byte for the answer and a byte for the rows of each event."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from conformance.load.fingerprint import Nonce
from conformance.load.journal import JournalEntry
from conformance.load.mix import RequestKind

_EXAMPLES = 5
# The states of a number: unused or unanswered, or the kind of its answer.
_NONE, _ACKNOWLEDGED, _REFUSED, _SILENT, _BAD_REFUSED, _BAD_ACCEPTED, _BAD_FAILED = range(7)
_ROWS, _ALTERED = 0x7F, 0x80
_WRONG = ("lost", "doubled", "altered", "bad_stored")


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row of this run; ``intact`` is True if its checksum is right."""

    nonce: Nonce | None
    intact: bool


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """Counts of events, and examples of nonces by what is wrong; pageviews are not counted.

    ``stored`` counts acknowledged events with at least one row. ``unacknowledged`` counts events that have a
    row although their sender got a refusal or no answer, which is allowed. ``stray`` counts rows with the
    run's token and a number that was never sent. ``bad`` counts malformed requests, ``bad_refused`` those
    that got a 4xx and ``bad_stored`` those that left a row.
    """

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unanswered: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    altered: int = 0
    unacknowledged: int = 0
    stray: int = 0
    bad: int = 0
    bad_refused: int = 0
    bad_stored: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _SenderLedger:
    fates: bytearray = field(default_factory=bytearray)
    rows: bytearray = field(default_factory=bytearray)


class Ledger:
    """The answers and the stored rows of every event, and their comparison."""

    def __init__(self) -> None:
        self._senders: dict[str, _SenderLedger] = {}
        self._stray = 0
        self.acknowledged = 0

    def answered(self, answer: JournalEntry) -> None:
        """Keep an answer to an event or a malformed request."""
        if answer.kind is RequestKind.PAGEVIEW:
            return
        fates = self._senders.setdefault(answer.sender, _SenderLedger()).fates
        if len(fates) <= answer.number:
            fates.extend(bytes(answer.number + 1024 - len(fates)))
        fates[answer.number] = _fate(answer)
        self.acknowledged += fates[answer.number] == _ACKNOWLEDGED

    def stored(self, rows: Iterable[Row]) -> None:
        """Replace the stored rows by these."""
        self._stray = 0
        for sender in self._senders.values():
            sender.rows = bytearray(len(sender.fates))
        for row in rows:
            known = self._senders.get(row.nonce.sender) if row.nonce else None
            if row.nonce and known and row.nonce.number < len(known.rows):
                kept = known.rows[row.nonce.number]
                known.rows[row.nonce.number] = (
                    min((kept & _ROWS) + 1, _ROWS) | (kept & _ALTERED) | (0 if row.intact else _ALTERED)
                )
            else:
                self._stray += 1

    def bend(self) -> bool:
        """Falsify the ledger for a canary: one acknowledged event loses its row, another gets a second one.

        Return False if there are no two events to do that to.
        """
        for sender in self._senders.values():
            places = _good(sender)
            first, second = next(places, None), next(places, None)
            if first is not None and second is not None:
                sender.rows[first], sender.rows[second] = 0, sender.rows[second] + 1
                return True
        return False

    def reconcile(self, run: str) -> Reconciled:
        """Return the comparison of answers with rows, with nonces of ``run`` as examples."""
        count = Counter[str]()
        examples: dict[str, list[str]] = {}
        for name, sender in self._senders.items():
            rows = sender.rows or bytes(len(sender.fates))
            # Count by state first: there are millions of events, but few states.
            for fate, number in Counter(zip(sender.fates, rows, strict=True)).items():
                for kind in _kinds(*fate):
                    count[kind] += number
                    if kind in _WRONG and len(shown := examples.setdefault(kind, [])) < _EXAMPLES:
                        places = (
                            i for i, pair in enumerate(zip(sender.fates, rows, strict=True)) if pair == fate
                        )
                        shown += [Nonce(name, i).text(run) for i in islice(places, _EXAMPLES - len(shown))]
        return Reconciled(**count, stray=self._stray, examples=examples)


def _fate(answer: JournalEntry) -> int:
    if answer.kind is RequestKind.MALFORMED:
        if answer.expected:
            return _BAD_REFUSED
        return _BAD_ACCEPTED if answer.acknowledged else _BAD_FAILED
    if answer.acknowledged:
        return _ACKNOWLEDGED
    return _REFUSED if answer.status else _SILENT


def _good(sender: _SenderLedger) -> Iterator[int]:
    return (i for i, fate in enumerate(sender.fates) if fate == _ACKNOWLEDGED and sender.rows[i] == 1)


def _kinds(fate: int, rows: int) -> Iterator[str]:
    """Yield the counts of Reconciled to which an event belongs."""
    number, altered = rows & _ROWS, bool(rows & _ALTERED)
    if fate in (_BAD_REFUSED, _BAD_ACCEPTED, _BAD_FAILED):
        yield "bad"
        if fate == _BAD_REFUSED:
            yield "bad_refused"
        if number:
            yield "bad_stored"
        return
    if fate == _NONE:
        if number:
            yield "unacknowledged"
    else:
        yield "sent"
        yield {_ACKNOWLEDGED: "acknowledged", _REFUSED: "refused", _SILENT: "unanswered"}[fate]
        if fate == _ACKNOWLEDGED:
            yield "stored" if number else "lost"
        elif number:
            yield "unacknowledged"
    if number > 1:
        yield "doubled"
    if altered:
        yield "altered"
