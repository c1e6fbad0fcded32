"""What each sender writes down: a line for each answer, on disk, read by the referee while it grows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from conformance.load.mix import RequestKind

# Of answers that should not be, so many a status are kept with their text.
_TEXTS = 3
_PHASES = "phases"
_SUFFIX = ".tsv"

# One clock for all processes of this machine, which no correction of the time sets back.
_EPOCH = time.time() - time.monotonic()


def clock() -> float:
    """Seconds since the epoch."""
    return _EPOCH + time.monotonic()


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One request as its sender saw it; times in seconds since the epoch.

    ``due`` is when it should have been sent: latency counts from there, so that a server which stalls does
    not hide what it did to those who had to wait. ``status`` is 0 when there was no answer.
    """

    sender: str
    kind: RequestKind
    number: int
    status: int
    due: float
    sent: float
    done: float
    text: str = ""

    @property
    def acknowledged(self) -> bool:
        """Whether the server took it."""
        return 200 <= self.status < 300

    @property
    def expected(self) -> bool:
        """Whether it is the answer that it should be."""
        return is_expected(self.kind, self.status)


def is_expected(kind: RequestKind, status: int) -> bool:
    """Whether a status answers a request of this kind as it should; a pageview is not documented (WIRE-8)."""
    match kind:
        case RequestKind.EVENT:
            return 200 <= status < 300
        case RequestKind.PAGEVIEW:
            return 200 <= status < 500
        case RequestKind.MALFORMED:
            return 400 <= status < 500


@dataclass(frozen=True, slots=True)
class Phase:
    """From ``start`` on requests are sent at ``rate`` a second; ``name`` says why."""

    start: float
    rate: float
    name: str


class Journal:
    """The writing side: one file for each sender, a line at a time, so that a killed sender loses none."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._file: TextIO = (folder / f"{sender}{_SUFFIX}").open("a", buffering=1, encoding="ascii")
        self._texts: dict[int, int] = {}

    def add(
        self,
        kind: RequestKind,
        number: int,
        status: int,
        *,
        due: float,
        sent: float,
        done: float,
        text: str = "",
    ) -> None:
        """Write an answer down; its ``text`` only if it is one of the first of its kind."""
        if text:
            seen = self._texts[status] = self._texts.get(status, 0) + 1
            text = text[:200].encode("unicode_escape").decode() if seen <= _TEXTS else ""
        self._file.write(f"{kind}\t{number}\t{status}\t{due:.6f}\t{sent:.6f}\t{done:.6f}\t{text}\n")


def begin_phase(folder: Path, rate: float, name: str) -> None:
    """Write down that the rate changes now."""
    with (folder / _PHASES).open("a", encoding="ascii") as file:
        file.write(f"{clock():.6f}\t{rate}\t{name}\n")


def phases(folder: Path) -> tuple[Phase, ...]:
    """The rates in the order they were asked for."""
    place = folder / _PHASES
    rows = (
        (line.split("\t") for line in place.read_text(encoding="ascii").splitlines())
        if place.exists()
        else ()
    )
    return tuple(Phase(float(start), float(rate), name) for start, rate, name in rows)


class JournalReader:
    """The reading side: what has been added to all journals of a folder since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[Path, int] = {}

    def new(self) -> Iterator[JournalEntry]:
        """The answers that are new, sender by sender; a line that is still being written waits."""
        for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
            with file.open("rb") as lines:
                lines.seek(self._places.get(file, 0))
                for line in lines:
                    if line.endswith(b"\n"):
                        self._places[file] = self._places.get(file, 0) + len(line)
                        yield _answer(file.stem, line.decode("ascii").rstrip("\n"))


def _answer(sender: str, line: str) -> JournalEntry:
    kind, number, status, due, sent, done, text = line.split("\t")
    return JournalEntry(
        sender, RequestKind(kind), int(number), int(status), float(due), float(sent), float(done), text
    )
