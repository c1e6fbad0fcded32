"""The run record: written line by line, read back completely."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from conformance.protocol.requirements import Lane, Level
from conformance.results.baseline import KnownFailure
from conformance.results.record import RecordWriter, RunInfo, read
from conformance.results.verdict import CaseResult, Exit, Fault, Status

HOSTILE = "lone \ud83c, NUL \0, \u2028, \x85, \r\n, </script>, 😀"

INFO = RunInfo(
    target={"tracker": "dist/t.js", "server": f"http://127.0.0.1:8000/{HOSTILE}"},
    lanes=(Lane.TRACKER, Lane.PAIR),
    browsers=({"name": "chromium", "version": "151.0"},),
    options={"tracker": "dist/t.js", "only": ["PROP-*"], "strict": True},
    known=(KnownFailure(case="tracker/prop-2-31-properties", reason=HOSTILE, issue="https://example.com/7"),),
    started="2026-11-24T10:00:00.000+00:00",
    version="1.2.3",
)
RESULTS = (
    CaseResult(
        id="tracker/prop-6-lone-high-surrogate",
        requirement="PROP-6",
        lane=Lane.TRACKER,
        level=Level.SHOULD,
        status=Status.FAIL,
        browser="chromium",
        detail=HOSTILE,
        repro=f"clickport.track('{HOSTILE}')",
        sent=HOSTILE,
        received=[{"body": HOSTILE, "headers": [["a", HOSTILE]], "answered": None}],
        stored=[{"name": HOSTILE, "meta_keys": [], "revenue_source_amount": "49.99"}],
        seconds=0.25,
    ),
    CaseResult(
        id="pair/rev-1-49-99",
        requirement="REV-1",
        lane=Lane.PAIR,
        level=Level.MUST,
        status=Status.ERROR,
        fault=Fault.TARGET,
    ),
)


def record(path: Path, *results: CaseResult, info: RunInfo = INFO) -> list[str]:
    """Write a record and return its lines."""
    with RecordWriter(path, info) as writer:
        for result in results:
            writer.add(result)
    return path.read_text(encoding="utf-8").split("\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a record in a folder that does not exist yet."""
    return tmp_path / "deep" / "run.jsonl"


def test_results_survive(path: Path) -> None:
    """Results are read back equal, even with lone surrogates, NUL and line separators."""
    record(path, *RESULTS)
    assert read(path).results == RESULTS


def test_info_survives(path: Path) -> None:
    """Targets, options and baseline of a run are read back equal."""
    record(path)
    assert read(path).info == INFO


def test_a_record_is_ascii(path: Path) -> None:
    """A record is ASCII with one line per observation, so that it needs no encoding."""
    record(path, *RESULTS)
    assert (path.read_bytes().isascii(), path.read_bytes().count(b"\n")) == (True, 4)


def test_a_whole_run_is_finished(path: Path) -> None:
    """A run that ended normally has an end time and is not interrupted."""
    record(path, *RESULTS)
    run = read(path)
    assert (run.interrupted, bool(run.finished)) == (False, True)


def test_an_exception_is_an_interruption(path: Path) -> None:
    """A run that ended by an exception keeps its results and is interrupted."""

    def broken_off() -> None:
        with RecordWriter(path, INFO) as writer:
            writer.add(RESULTS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    run = read(path)
    assert (run.results, run.interrupted, bool(run.finished)) == (RESULTS[:1], True, True)


def test_a_killed_run_is_an_interruption(path: Path) -> None:
    """Lines are flushed at once: a record without an end is that of a killed run, and interrupted."""
    with RecordWriter(path, INFO) as writer:
        writer.add(RESULTS[0])
        run = read(path)
    assert (run.results, run.interrupted, run.finished) == (RESULTS[:1], True, "")


def test_a_line_that_was_cut_off_is_not_there(path: Path) -> None:
    """After a full disk or a power cut, what is before it counts, as that of an interrupted run."""
    record(path, *RESULTS)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1  # Beginning of the line of the end.
    for length in (last + 1, len(whole) - 2):
        path.write_bytes(whole[:length])
        run = read(path)
        assert (run.results, run.interrupted) == (RESULTS, True)


def test_a_record_that_other_tools_wrote_is_read(path: Path) -> None:
    """They write line separators of Unicode as they are, and may begin with a byte-order mark."""
    lines = record(path, replace(RESULTS[0], detail="a\u2028b\u2029c\x85d"))
    texts = (json.dumps(json.loads(line), ensure_ascii=False) for line in lines if line)
    path.write_bytes("\r\n".join(texts).encode("utf-8-sig", "replace"))
    run = read(path)
    assert (run.results[0].detail, run.interrupted) == ("a\u2028b\u2029c\x85d", False)


def test_the_verdict_comes_from_the_record(path: Path) -> None:
    """The verdict uses the options in the record: strict makes its failing SHOULD a violation."""
    record(path, *RESULTS)
    verdict = read(path).verdict()
    assert (verdict.conformant, verdict.exit_code, verdict.violations) == (
        False,
        Exit.VIOLATION,
        RESULTS[:1],
    )


def test_the_baseline_counts_on_the_day_of_the_run(path: Path) -> None:
    """Known failures are judged by the day on which the run started, not by today."""
    known = KnownFailure(case=RESULTS[0].id, reason="r", issue="i", expires="2026-11-23")
    record(path, *RESULTS, info=RunInfo(lanes=INFO.lanes, target={}, known=(known,), started=INFO.started))
    assert read(path).verdict().stale == (
        "tracker/prop-6-lone-high-surrogate has expired (2026-11-23): see i",
    )


def test_values_that_json_lacks_become_text(path: Path) -> None:
    """Evidence that JSON cannot represent is written as text."""
    odd = CaseResult(
        id="server/x-1-y", requirement="X-1", lane=Lane.SERVER, level=Level.MAY, status=Status.PASS, sent={1j}
    )
    record(path, odd)
    assert read(path).results[0].sent == "{1j}"


def test_a_closed_record_takes_nothing(tmp_path: Path) -> None:
    """Adding a result after the record was closed raises an error."""
    with pytest.raises(RuntimeError, match="not open"):
        RecordWriter(tmp_path / "run.jsonl", INFO).add(RESULTS[0])


CASE = json.dumps({"kind": "case", "id": "a/b"})


@pytest.mark.parametrize(
    "broken",
    [
        '{"kind": "case", "id": "tracker/pr',
        "",
        "5",
        "[]",
        "{}",
        CASE,
        '{"kind": "run"}',
        '{"kind": "end"}',
    ],
    ids=["torn", "empty", "number", "array", "no kind", "case", "run", "end"],
)
def test_a_broken_line_is_named(path: Path, broken: str) -> None:
    """An invalid line is refused with file and line number."""
    lines = record(path, *RESULTS)
    path.write_text("\n".join([*lines[:2], broken, *lines[2:]]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"run\.jsonl, line 3: not a line of a run record"):
        read(path)


@pytest.mark.parametrize("member", ["lane", "level", "status", "fault"])
def test_an_unknown_word_is_named(path: Path, member: str) -> None:
    """An unknown status, level, lane or fault makes a line invalid."""
    first, case, *rest = record(path, *RESULTS)
    path.write_text("\n".join([first, json.dumps({**json.loads(case), member: "odd"}), *rest]))
    with pytest.raises(ValueError, match=r"run\.jsonl, line 2: .*'odd'"):
        read(path)


@pytest.mark.parametrize("content", [b"", b'{"kind": "end", "finished": "", "interrupted": true}\n'])
def test_a_file_without_a_run_is_no_record(path: Path, content: bytes) -> None:
    """A file without a line of kind "run" is refused by name."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.jsonl: not a run record: it has no line of kind 'run'"):
        read(path)


def test_a_file_of_other_bytes_is_named(path: Path) -> None:
    """A file that is not UTF-8 is refused by name."""
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"run\.jsonl"):
        read(path)


def problems(line: str) -> list[str]:
    """Return the errors that the record's schema finds in a line."""
    schema: Any = json.loads(bundled("fixtures/schema/run-record.schema.json").read_text(encoding="utf-8"))
    return [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(line))]


def test_lines_follow_the_schema(path: Path) -> None:
    """Each line that is written is valid under the published schema."""
    *lines, last = record(path, *RESULTS)
    assert ([problems(line) for line in lines], last) == ([[], [], [], []], "")


@pytest.mark.parametrize(
    "change",
    [{"kind": "odd"}, {"status": "odd"}, {"lane": "odd"}, {"id": "odd"}, {"more": 1}, {"seconds": -1}],
)
def test_the_schema_refuses_other_lines(path: Path, change: dict[str, Any]) -> None:
    """The schema rejects a line with another value or an additional member."""
    case = json.loads(record(path, *RESULTS)[1])
    assert problems(json.dumps({**case, **change})) != []
