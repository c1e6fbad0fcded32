"""The run record: JSON lines, one observation each. Every report is computed from it."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from conformance import __version__
from conformance.protocol.requirement_sets import current_set, first_set
from conformance.protocol.requirements import Lane, Level, requirements_of
from conformance.protocol.transport import DEFAULT_PROTOCOL
from conformance.results.baseline import KnownFailure
from conformance.results.verdict import CaseResult, Exit, Fault, Status, Verdict, judge
from conformance.results.waivers import Waiver

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _now() -> str:
    """Return the current time in UTC as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Targets, lanes and options of a run: the first line of its record.

    ``unusable`` are the installed browsers that cannot be driven here, each with the reason.
    The shapes are those of kind ``run`` in ``fixtures/schema/run-record.schema.json``.
    """

    target: Mapping[str, str]
    lanes: tuple[Lane, ...]
    browsers: tuple[Mapping[str, str], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    known: tuple[KnownFailure, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    started: str = field(default_factory=_now)
    version: str = __version__
    requirement_set: str = field(default_factory=current_set)
    unusable: tuple[Mapping[str, str], ...] = ()

    @property
    def strict(self) -> bool:
        """True if a failing SHOULD is a violation in this run."""
        return bool(self.options.get("strict"))

    @property
    def protocol(self) -> str:
        """The HTTP version of pages and endpoint in browsers, such as ``http2``."""
        return str(self.options.get("protocol", DEFAULT_PROTOCOL))


@dataclass(frozen=True, kw_only=True)
class Run:
    """A complete run record, the only input of reports.

    ``load`` holds the figures of a load run (see ``load/measure.py``). ``interrupted`` is True unless the
    record has an end that says otherwise.
    """

    info: RunInfo
    results: tuple[CaseResult, ...]
    load: Mapping[str, Any] | None = None
    finished: str = ""
    interrupted: bool = True

    @property
    def objective_missed(self) -> bool:
        """True if this is a load run whose user set an objective, and it was missed."""
        objective = (self.load or {}).get("objective", {})
        return bool(objective.get("asked") and not objective["met"])

    def verdict(self) -> Verdict:
        """Compute the verdict from the recorded results.

        An interrupted run is never conformant. A missed load objective changes the exit code only.
        """
        verdict = judge(
            requirements=requirements_of(self.info.requirement_set).values(),
            lanes=self.info.lanes,
            results=self.results,
            strict=self.info.strict,
            known=self.info.known,
            day=self.info.started,
            waivers=self.info.waivers,
            require_all=bool(self.info.options.get("require_all")),
        )
        if self.interrupted and verdict.exit_code is Exit.CONFORMANT:
            conformant = False if verdict.known else None
            verdict = replace(verdict, conformant=conformant, exit_code=Exit.INCONCLUSIVE)
        if self.objective_missed and verdict.exit_code in (Exit.CONFORMANT, Exit.INCONCLUSIVE):
            return replace(verdict, exit_code=Exit.VIOLATION)
        return verdict


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Lock the record against other runs. Raises OSError if it is locked already or cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    existed = path.exists()
    unwritten = False
    try:
        with path.open("a", encoding="utf-8") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            if regular:
                _lock(file, path)
            try:
                yield
            finally:
                unwritten = regular and not existed and not os.fstat(file.fileno()).st_size
    finally:
        if unwritten:  # After it is closed: Windows deletes no open file.
            path.unlink(missing_ok=True)


def _lock(file: TextIO, path: Path) -> None:
    if fcntl is None:  # Windows: no lock, so two runs in one folder are not detected.
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(
            f"another run is writing {path}: give this one a record of its own, with --run-record FILE"
        ) from None


class RecordWriter:
    """Writer of a run record; flushes each line, so that an interrupted run keeps its results."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self._path = path
        self._info = info
        self._file: TextIO | None = None
        self.canaries: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Readable by its owner only: it holds everything that was observed of the target.
        self._file = os.fdopen(os.open(self._path, _FLAGS, 0o600), "w", encoding="utf-8")
        if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._path.chmod(0o600)
        info = asdict(self._info)
        set_ = info.pop("requirement_set")
        suite = {"version": info.pop("version"), "requirements": len(requirements_of(set_)), "set": set_}
        self._write({"kind": "run", "suite": suite, **info})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = {"finished": _now(), "interrupted": error is not None, "canaries": self.canaries}
        self._write({"kind": "end", **end})
        if self._file:
            self._file.close()

    def add(self, result: CaseResult) -> None:
        """Append one result, whose evidence is plain data."""
        self._write({"kind": "case", **vars(result)})

    def figures(self, load: Mapping[str, Any]) -> None:
        """Append the figures of a load run."""
        self._write({"kind": "load", "figures": load})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            raise RuntimeError("the run record is not open")
        # ASCII escapes: a lone surrogate in evidence must not stop the record from being written.
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()


def whole_lines(data: bytes) -> list[str]:
    """Return the lines of a record, without a last one that was cut off. Raises UnicodeDecodeError.

    Only ``\\n`` ends a line: other tools write U+2028 and the like as they are.
    """
    *lines, last = data.decode("utf-8-sig").split("\n")
    try:
        return [*lines, last] if last and json.loads(last) else lines
    except ValueError:
        return lines


def read(path: Path) -> Run:
    """Read a run record. Raises ValueError, which names file and line, if it is not one."""
    info: RunInfo | None = None
    results: list[CaseResult] = []
    load: Mapping[str, Any] | None = None
    end: Mapping[str, Any] = {"finished": "", "interrupted": True}
    try:
        lines = whole_lines(path.read_bytes())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a run record: {error}") from error
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
            match line.pop("kind"):
                case "run":
                    info = _info(line)
                case "case":
                    results.append(case_result(line))
                case "load":
                    load = line["figures"]
                case "end":
                    end = {"finished": str(line["finished"]), "interrupted": bool(line["interrupted"])}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}: not a line of a run record: {error}") from error
    if info is None:
        raise ValueError(f"{path}: not a run record: it has no line of kind 'run'")
    return Run(
        info=info,
        results=tuple(results),
        load=load,
        finished=end["finished"],
        interrupted=end["interrupted"],
    )


def case_result(line: Mapping[str, Any]) -> CaseResult:
    """Return the result that was converted by ``asdict`` and JSON."""
    fault = line.get("fault")
    return CaseResult(
        **{
            **line,
            "lane": Lane(line["lane"]),
            "level": Level(line["level"]),
            "status": Status(line["status"]),
            "fault": Fault(fault) if fault else None,
            "cured": tuple(line.get("cured", ())),
        }
    )


def _info(line: Mapping[str, Any]) -> RunInfo:
    suite = line["suite"]
    return RunInfo(
        target=line["target"],
        lanes=tuple(Lane(lane) for lane in line["lanes"]),
        browsers=tuple(line["browsers"]),
        options=line["options"],
        known=tuple(KnownFailure(**known) for known in line.get("known", ())),
        waivers=tuple(Waiver(**waiver) for waiver in line.get("waivers", ())),
        started=line["started"],
        version=suite["version"],
        # Records from before the second set do not name theirs.
        requirement_set=suite.get("set", first_set()),
        unusable=tuple(line.get("unusable", ())),
    )
