"""The pytest plugin: the same run by pytest, and no effect on other test runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.check.conftest import SELECTION

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Run = Callable[..., Ended]

# Enough to find the fault that one property has.
MAX_EXAMPLES, CUT_LATE = "--clickport-max-examples=80", ("0, 2000", "0, 2001")
# Plugins of other packages, which take longer to import than most runs.
OTHERS = tuple(
    word for name in ("schemathesis", "anyio", "playwright", "base_url") for word in ("-p", f"no:{name}")
)
# One engine is enough: these tests are about the plugin.
CHECKS = (*OTHERS, "--pyargs", "conformance", "--clickport-browser=chromium")


def _outcomes(junit: Path) -> dict[str, str]:
    """Return the status of each case from pytest's JUnit report, by the id in brackets."""
    found = {}
    for case in ET.parse(junit).iter("testcase"):
        id_ = case.attrib["name"].partition("[")[2].removesuffix("]").removesuffix("-chromium")
        kinds = {"failure": "fail", "skipped": "not-testable", "error": "error"}
        found[id_] = next((kinds[child.tag] for child in case if child.tag in kinds), "pass")
    return found


def test_run_in_two_processes_is_the_same(
    python: "Run", mine: "Implementations", good_tracker_run: "Ended"
) -> None:
    """Without the drawn case that -k deselects, pytest has the results of check, and ends with 0.

    The deselected case is not drawn either: its counterexample would be in the file.
    """
    options = [
        f"--clickport-tracker={mine.tracker(*CUT_LATE)}",
        *(f"--clickport-only={pattern}" for pattern in (*SELECTION, "tracker/prop-3-fuzz")),
        MAX_EXAMPLES,
        "-k",
        "not prop-3-fuzz",
        "-n",
        "2",
        "--junitxml=junit.xml",
    ]
    run = python("-m", "pytest", *CHECKS, *options)
    assert run.code == good_tracker_run.code == 0, run.text
    expected = {id_: status for id_, status in good_tracker_run.statuses.items() if "-fuzz" not in id_}
    assert _outcomes(mine.folder / "junit.xml") == expected
    assert not (run.folder / "clickport-counterexamples.jsonl").exists()


def test_violation_is_the_same(command: "Run", check: "Run", mine: "Implementations") -> None:
    """On a faulty tracker, both end with 1 and fail the same cases."""
    tracker = mine.tracker("keys.length, 30", "keys.length, 31")
    by_check = check("--tracker", tracker, "--only", "prop-2", "--skip", "*-fuzz*")
    chosen = ["--clickport-only=prop-2", "--clickport-skip=*-fuzz*", "--junitxml=junit.xml"]
    by_pytest = command("pytest", *CHECKS, f"--clickport-tracker={tracker}", *chosen)
    assert by_pytest.code == by_check.code == 1, by_pytest.text
    assert _outcomes(mine.folder / "junit.xml") == by_check.statuses
    assert "expected 30 members, got 31" in by_pytest.out


def test_open_verdict_is_the_same(command: "Run", mine: "Implementations") -> None:
    """If all cases pass but a MUST is not verified, pytest ends with 4."""
    words = [
        *CHECKS,
        f"--clickport-tracker={mine.tracker()}",
        "--clickport-only=api-1",
        "--clickport-require-all",
    ]
    assert command("pytest", *words).code == 4


def test_what_pytest_deselects_is_left_alone(command: "Run", mine: "Implementations") -> None:
    """Cases deselected by -k are not drawn or shrunk, and the verdict says that it is about a selection."""
    # If it were drawn, its counterexample would be in the file.
    words = [
        *CHECKS,
        f"--clickport-tracker={mine.tracker(*CUT_LATE)}",
        "--clickport-only=prop-*",
        MAX_EXAMPLES,
    ]
    run = command("pytest", *words, "-k", "31-properties or prop-1-fuzz")
    assert run.code == 0, run.text
    assert "conformant in what was selected: 2 of" in run.text
    assert "2 passed" in run.out
    assert not (run.folder / "clickport-counterexamples.jsonl").exists()
    assert not (run.folder / ".hypothesis").exists()


def test_node_ids_are_a_selection(command: "Run", mine: "Implementations") -> None:
    """A node id printed by pytest selects only that check; an unknown one is a usage error."""
    words = [*CHECKS, f"--clickport-tracker={mine.tracker()}"]
    name = "test_tracker_calls.py::test_track_is_a_function[tracker/api-1-track-is-a-function-chromium]"
    run = command("pytest", *words, name)
    assert run.code == 0, run.text
    assert "conformant in what was selected: 1 of" in run.text
    slip = command("pytest", *words, "tests/test_mine.py::test_x")
    assert (slip.code, "tests/test_mine.py::test_x is not a check of conformance" in slip.text) == (2, True)


def test_nothing_left_by_pytest_is_never_green(command: "Run", mine: "Implementations") -> None:
    """A -k without a match checks nothing, and does not end with 0."""
    words = [*CHECKS, f"--clickport-tracker={mine.tracker()}", "--clickport-only=prop-2"]
    run = command("pytest", *words, "-k", "no-such-case")
    assert run.code == 4, run.text


SHOULD = ("keepalive: true", "keepalive: true, credentials: 'include'")


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_a_should_means_the_same_everywhere(
    command: "Run", check: "Run", mine: "Implementations", strict: tuple[str, ...]
) -> None:
    """Unless strict, a failing SHOULD is a warning for pytest, in both JUnit reports and on the console."""
    tracker = mine.tracker(*SHOULD)
    options = [f"--clickport-tracker={tracker}", "--clickport-only=wire-5", "--junitxml=junit.xml"]
    by_pytest = command("pytest", *CHECKS, *options, *(f"--clickport-{word[2:]}" for word in strict))
    by_check = check("--tracker", tracker, "--only", "wire-5", *strict, "--report", "junit=own.xml")
    assert by_pytest.code == by_check.code, (by_pytest.text, by_check.text)
    by_terminal, by_console, in_junit = (
        ("failed", "FAIL ", ("failure", "SHOULD"))
        if strict
        else ("xfailed", "WARN ", ("skipped", "pytest.xfail"))
    )
    assert (by_terminal in by_pytest.out, by_console in by_check.out) == (True, True), by_check.text
    failed = {id_ for id_, status in by_check.statuses.items() if status == "fail"}
    assert failed
    assert _kinds(mine.folder / "own.xml", failed) == [in_junit] * len(failed)
    assert [tag for tag, _ in _kinds(mine.folder / "junit.xml", failed)] == [in_junit[0]] * len(failed)


def _kinds(junit: Path, ids: set[str]) -> list[tuple[str, str | None]]:
    """Return the tag and type of these cases' results in a JUnit report."""
    cases = [case for case in ET.parse(junit).iter("testcase") if any(i in case.attrib["name"] for i in ids)]
    tags = ("failure", "skipped", "error")
    return [(child.tag, child.get("type")) for case in cases for child in case if child.tag in tags]


def test_slip_in_a_selector_is_usage(command: "Run", mine: "Implementations") -> None:
    """An unknown id ends with 2 and a message, as in check, not with pytest's 3 or 4."""
    words = [
        *CHECKS,
        f"--clickport-tracker={mine.tracker()}",
        "--clickport-only=prop-222",
    ]
    run = command("pytest", *words)
    assert "matches no case and no requirement" in run.text
    assert "INTERNALERROR" not in run.text
    assert run.code == 2


def test_missing_tracker_could_not_run(command: "Run") -> None:
    """A missing tracker ends with 3."""
    run = command("pytest", *CHECKS, "--clickport-tracker=missing.js")
    assert run.code == 3
    assert "could not read the tracker missing.js" in run.text


def test_other_test_runs_are_left_alone(python: "Run", tmp_path: Path) -> None:
    """A user's own tests are not affected by the installed plugin, which imports nothing heavy for them."""
    test = (
        "import sys\n\ndef test_mine(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('clickport')\n"
        "    heavy = {'conformance.harness.instruments', 'conformance.runner.session',\n"
        "             'playwright', 'httpx', 'hypothesis'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    (tmp_path / "test_mine.py").write_text(test, encoding="utf-8")
    run = python("-m", "pytest", *OTHERS, "-p", "no:hypothesispytest", "test_mine.py")
    assert run.code == 0, run.text
    assert "1 passed" in run.out
