"""The journals of a load run: files with a line for each answer, read while the senders append to them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from conformance.load.mix import RequestKind

# The number of unexpected answers, for each status, whose text is kept.
_TEXTS = 3
_PHASES = "phases"
_SUFFIX = ".tsv"

# Monotonic time since the epoch: the same in all processes, and not affected by clock adjustments.
_EPOCH = time.time() - time.monotonic()


def clock() -> float:
    """Return monotonic seconds since the epoch."""
    return _EPOCH + time.monotonic()


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One request and its answer, as the sender saw them; times are in seconds since the epoch.

    ``due`` is the scheduled time. Latency counts from it, so that a server that stalls cannot hide the wait
    of the requests that became due meanwhile. ``status`` is 0 without an answer.
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
        """Return True if the server accepted the request (2xx)."""
        return 200 <= self.status < 300

    @property
    def expected(self) -> bool:
        """Return True if the status is right for this kind of request."""
        return is_expected(self.kind, self.status)


def is_expected(kind: RequestKind, status: int) -> bool:
    """Return True if a status is right for a kind of request.

    An event must get a 2xx, a malformed request a 4xx; a pageview may get either or a redirect (WIRE-8).
    """
    match kind:
        case RequestKind.EVENT:
            return 200 <= status < 300
        case RequestKind.PAGEVIEW:
            return 200 <= status < 500
        case RequestKind.MALFORMED:
            return 400 <= status < 500


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a run: from ``start`` on, ``rate`` requests a second; ``name`` is the shape's reason."""

    start: float
    rate: float
    name: str


class Journal:
    """The file of one sender, written line by line, so that a killed sender loses no answer."""

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
        """Append an answer; keep ``text`` only of the first three answers with its status."""
        if text:
            seen = self._texts[status] = self._texts.get(status, 0) + 1
            text = text[:200].encode("unicode_escape").decode() if seen <= _TEXTS else ""
        self._file.write(f"{kind}\t{number}\t{status}\t{due:.6f}\t{sent:.6f}\t{done:.6f}\t{text}\n")


def begin_phase(folder: Path, rate: float, name: str) -> None:
    """Append a phase that starts now."""
    with (folder / _PHASES).open("a", encoding="ascii") as file:
        file.write(f"{clock():.6f}\t{rate}\t{name}\n")


def phases(folder: Path) -> tuple[Phase, ...]:
    """Return the phases of a run, in order."""
    file = folder / _PHASES
    rows = (
        (line.split("\t") for line in file.read_text(encoding="ascii").splitlines()) if file.exists() else ()
    )
    return tuple(Phase(float(start), float(rate), name) for start, rate, name in rows)


class JournalReader:
    """A reader that follows all journals of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[Path, int] = {}

    def new(self) -> Iterator[JournalEntry]:
        """Yield the answers appended since the last call, sender by sender; skip an incomplete last line."""
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
