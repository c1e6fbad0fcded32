"""The commands list, explain, doctor and baseline, and parts of selftest."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conformance.cli import main
from conformance.protocol.requirements import requirements
from conformance.results.record import RecordWriter, RunInfo

MUTANT = "server-defaults-to-euros"


def run(*arguments: str) -> Result:
    """Run ``clickport`` in this process."""
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("id_", list(requirements()))
def test_every_requirement_is_explained(id_: str) -> None:
    """The explanation of a requirement has its sentence, its reason and its mutants, if any."""
    done = run("explain", id_)
    requirement = requirements()[id_]
    assert done.exit_code == 0
    assert requirement.what in done.output
    assert requirement.why in done.output


def test_explain_shows_a_good_and_a_bad_example() -> None:
    """An explanation shows a call with its expected result, and a fault that the checks notice."""
    output = run("explain", "prop-3").output
    good, bad = output.split("Good:")[1].split("Bad")
    assert "clickport.track(" in good
    assert "tracker-keeps-1999-characters (tracker, pair)" in bad


def test_explain_takes_a_case() -> None:
    """The id of a case explains only that case."""
    output = run("explain", "server/wire-8-nan").output
    assert "wire-8-nan (server)" in output
    assert "wire-8-null" not in output


def test_explain_helps_with_a_slip() -> None:
    """An unknown id is a usage error that names similar ids."""
    done = run("explain", "tracker/wire-2-plane")
    assert (done.exit_code, "did you mean wire-2-plain?" in done.output) == (2, True)


def test_list_names_every_requirement() -> None:
    """Without a pattern, all requirements are listed in the order of the registry."""
    output = run("list").output
    assert [line.split()[0] for line in output.splitlines()[::2]] == list(requirements())


def test_list_by_pattern() -> None:
    """A pattern lists matching requirements, with their cases on request."""
    output = run("list", "wire-7*", "--cases").output
    assert output.startswith("WIRE-7")
    assert "server/wire-7-preflight" in output
    assert "WIRE-8" not in output


def test_the_good_example_reads_as_people_write() -> None:
    """The example contains no matcher notation of the vectors."""
    for id_ in requirements():
        good = run("explain", id_).output.partition("Good:")[2].partition("Bad")[0]
        assert '"$' not in good, id_
    assert '→ {"mv": ["x" × 1999]}' in run("explain", "PROP-3").output


def test_list_helps_with_a_slip() -> None:
    """A pattern without a match is a usage error."""
    assert run("list", "wire-77").exit_code == 2


def test_doctor_finds_this_machine_well() -> None:
    """The doctor reports that this machine can run the checks, as it runs these tests."""
    done = run("doctor")
    assert (done.exit_code, "MISSING" in done.output, "chromium: " in done.output) == (0, False, True)


def test_baseline_needs_a_run(tmp_path: Path) -> None:
    """Without a run record, `baseline write` ends with 2 and does not touch the file."""
    done = run(
        "baseline",
        "write",
        str(tmp_path / "known.toml"),
        "--issue",
        "i",
        "--run-record",
        str(tmp_path / "no"),
    )
    assert (done.exit_code, (tmp_path / "known.toml").exists()) == (2, False)


def test_baseline_of_a_run_without_failures_is_none(tmp_path: Path) -> None:
    """No baseline is written for a run without failures, and the message says so."""
    record, known = tmp_path / "run.jsonl", tmp_path / "known.toml"
    with RecordWriter(record, RunInfo(target={}, lanes=())):
        pass
    done = run("baseline", "write", str(known), "--issue", "i", "--run-record", str(record))
    assert (done.exit_code, known.exists()) == (0, False), done.output
    assert "no case failed" in done.output


def test_unforeseen_errors_are_no_violations(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception ends with 70, never with the exit code of a violation."""
    monkeypatch.setattr("conformance.cli.listing.select", lambda **_: 1 / 0)
    done = run("list", "api-1")
    assert (done.exit_code, "fault of the suite" in done.output) == (70, True)


def test_reports_of_the_selftest_are_checked_first() -> None:
    """An invalid --report or --only ends with 2 before any implementation is run."""
    assert run("selftest", "--report", "pdf=x").exit_code == 2
    assert run("selftest", "--only", "nobody").exit_code == 2
    done = run("selftest", "--quick", "--only", MUTANT, "--report", "json=/dev/null/m.json")
    assert (done.exit_code, "cannot write a report" in done.output, MUTANT in done.output) == (2, True, False)


def test_selftest_notices_one_fault(tmp_path: Path) -> None:
    """A mutant is run by the real command, killed, and reported in all three formats."""
    reports = [f"--report=json={tmp_path / 'm.json'}", f"--report=html={tmp_path / 'm.html'}"]
    done = run("selftest", "--quick", "--only", MUTANT, *reports)
    assert done.exit_code == 0, done.output
    [subject] = json.loads((tmp_path / "m.json").read_text())["subjects"]
    assert (subject["outcome"], subject["killed"]) == ("killed", ["server"])
    assert MUTANT in done.output
    assert MUTANT in (tmp_path / "m.html").read_text()
