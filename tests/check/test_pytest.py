"""The same run by pytest, for who has pytest anyway; and nobody else's test run is disturbed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.check.conftest import FEW, LEFT_OUT

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Run = Callable[..., Ended]

# One engine is enough where the command is tried, not the engines.
CHECKS = ("--pyargs", "conformance", "--clickport-browser=chromium")


def _outcomes(junit: Path) -> dict[str, str]:
    """Status by case id, from pytest's own report: the id stands in brackets, before the browser."""
    found = {}
    for case in ET.parse(junit).iter("testcase"):
        id_ = case.attrib["name"].partition("[")[2].removesuffix("]").removesuffix("-chromium")
        kinds = {"failure": "fail", "skipped": "not-testable", "error": "error"}
        found[id_] = next((kinds[child.tag] for child in case if child.tag in kinds), "pass")
    return found


def test_green_run_is_the_same(python: "Run", mine: "Implementations", good_tracker_run: "Ended") -> None:
    """Over a good tracker pytest runs the cases that check runs, with the same results, and ends with 0."""
    options = [
        f"--clickport-tracker={mine.tracker()}",
        *(f"--clickport-skip={name}" for name in LEFT_OUT[1::2]),
        f"--clickport-max-examples={FEW[1]}",
        "-n",
        "2",
        "--junitxml=junit.xml",
    ]
    run = python("-m", "pytest", *CHECKS, *options)
    assert run.code == good_tracker_run.code == 0, run.text
    assert _outcomes(mine.folder / "junit.xml").keys() == good_tracker_run.statuses.keys()


def test_violation_is_the_same(python: "Run", check: "Run", mine: "Implementations") -> None:
    """Over a faulty tracker both end with 1 and find the same cases at fault."""
    tracker = mine.tracker("keys.length, 30", "keys.length, 31")
    by_check = check("--tracker", tracker, "--only", "prop-2", "--skip", "*-fuzz*")
    chosen = ["--clickport-only=prop-2", "--clickport-skip=*-fuzz*", "--junitxml=junit.xml"]
    by_pytest = python("-m", "pytest", *CHECKS, f"--clickport-tracker={tracker}", *chosen)
    assert by_pytest.code == by_check.code == 1, by_pytest.text
    assert _outcomes(mine.folder / "junit.xml") == by_check.statuses
    assert "expected 30 members, got 31" in by_pytest.out


def test_open_verdict_is_the_same(python: "Run", mine: "Implementations") -> None:
    """Cases that pass and leave MUSTs unverified end with 4 although pytest has seen nothing fail."""
    words = [
        *CHECKS,
        f"--clickport-tracker={mine.tracker()}",
        "--clickport-only=api-1",
    ]
    assert python("-m", "pytest", *words).code == 4


def test_cases_left_out_by_pytest_are_not_lost(python: "Run", mine: "Implementations") -> None:
    """What -k deselects was not run, which is no fault of the suite; and the verdict is said."""
    words = [
        *CHECKS,
        f"--clickport-tracker={mine.tracker()}",
        "--clickport-only=prop-2",
    ]
    run = python("-m", "pytest", *words, "-k", "31-properties")
    assert run.code == 4, run.text
    assert "not run, because of pytest's -k" in run.text
    assert "exit code 4 (inconclusive" in run.text


def test_slip_in_a_selector_is_usage(python: "Run", mine: "Implementations") -> None:
    """An id that nothing bears ends with 2 and a sentence, as with check; 3 and 4 mean other things."""
    words = [
        *CHECKS,
        f"--clickport-tracker={mine.tracker()}",
        "--clickport-only=prop-222",
    ]
    run = python("-m", "pytest", *words)
    assert "matches no case and no requirement" in run.text
    assert "INTERNALERROR" not in run.text
    assert run.code == 2


def test_missing_tracker_could_not_run(python: "Run") -> None:
    """A tracker that is not there ends with 3."""
    run = python("-m", "pytest", *CHECKS, "--clickport-tracker=missing.js")
    assert run.code == 3
    assert "could not read the tracker missing.js" in run.text


def test_other_test_runs_are_left_alone(python: "Run", tmp_path: Path) -> None:
    """A user's own tests run as ever with the plugin installed, and load nothing of the referee's weight."""
    test = (
        "import sys\n\ndef test_mine(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('clickport')\n"
        "    heavy = {'conformance.bench', 'conformance.session', 'playwright', 'httpx', 'hypothesis'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    (tmp_path / "test_mine.py").write_text(test, encoding="utf-8")
    run = python("-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:schemathesis", "test_mine.py")
    assert run.code == 0, run.text
    assert "1 passed" in run.out
