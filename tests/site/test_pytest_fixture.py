"""The fixture ``clickport`` in a user's own test run, with pytest-playwright and with xdist."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from conformance.browsers import find
from tests.site.test_shop import served

pytestmark = pytest.mark.skipif(
    not find_spec("pytest_playwright"), reason="pytest-playwright is not installed: make setup"
)
CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {{**browser_type_launch_args, "executable_path": {path!r}}}
"""
SIX_LINES = """
def test_signup(page, clickport):
    page.goto(clickport.site("{shop}/"))
    page.get_by_role("button", name="Accept").click()
    clickport.expect("Consent", {{"choice": "accept"}})
    clickport.none("Error*")
"""
MANY = """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_number(page, clickport, number):
    page.goto(clickport.site("{shop}/"))
    page.evaluate(f"clickport.track('Number {{number}}')")
    clickport.expect(f"Number {{number}}")
    clickport.none("Number*")
    assert [event.name for event in clickport.events] == [f"Number {{number}}"]
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Serve the good shop; return its origin."""
    with served() as origin:
        yield origin


class Project:
    """A user's project: a folder with a conftest and tests."""

    def __init__(self, folder: Path, shop: str) -> None:
        self.folder = folder
        self._shop = shop
        (folder / "conftest.py").write_text(CONFTEST.format(path=find("chromium").path), encoding="utf-8")

    def run(self, test: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run pytest on a test file with this text, in which ``{shop}`` is the shop's origin."""
        (self.folder / "test_mine.py").write_text(test.format(shop=self._shop), encoding="utf-8")
        plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:schemathesis"]
        command = [sys.executable, "-m", "pytest", "-q", *plugins, *words, "test_mine.py"]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture
def project(tmp_path: Path, shop: str) -> Project:
    """Return an empty project of a user."""
    return Project(tmp_path, shop)


def test_six_lines(project: Project) -> None:
    """The test of the tutorial passes, and its events are kept for the plan."""
    done = project.run(SIX_LINES, "--clickport-events=events.jsonl")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
    [line] = (project.folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["name"] == "Consent"


def test_failure_says_what_arrived(project: Project) -> None:
    """A failure shows the nearest event with its difference, all events, and the page's console errors."""
    slip = SIX_LINES.replace('"accept"', '"reject"').replace(
        "    clickport.expect", "    page.evaluate(\"console.error('broken')\")\n    clickport.expect"
    )
    slip = slip.replace("}})", "}}, seconds=0.5)")
    done = project.run(slip)
    assert done.returncode == 1
    for text in (
        "expect('Consent', {'choice': 'reject'}): arrived 0 times, expected once",
        'nearest: Consent {"choice": "accept"}',
        "property 'choice': expected 'reject', got 'accept'",
        "console errors:",
        "broken",
    ):
        assert text in done.stdout, text


def test_plan_is_checked(project: Project) -> None:
    """With a plan, an event that is not in it fails the test although all expectations hold."""
    (project.folder / "tracking-plan.toml").write_text("[events.Signup]\n", encoding="utf-8")
    done = project.run(SIX_LINES)
    assert done.returncode == 1, done.stdout
    assert "PLAN-1 Consent: 'Consent' is not in" in done.stdout


def test_bad_plan_is_a_usage_error(project: Project) -> None:
    """A plan that is named and missing is a plain error."""
    done = project.run(SIX_LINES, "--clickport-plan=none.toml")
    assert done.returncode != 0
    assert "there is no plan" in done.stdout


def test_snapshots_are_written_on_request(project: Project) -> None:
    """With the option, the file beside the test holds the events."""
    done = project.run(SIX_LINES + "    clickport.snapshot()\n", "--clickport-update-snapshots")
    assert done.returncode == 0, done.stdout
    [kept] = (project.folder / "__clickport__").iterdir()
    assert kept.name == "test_mine-test_signup-chromium-.txt"
    assert kept.read_text(encoding="utf-8") == 'Consent {"choice": "accept"}\n'


def test_processes_do_not_mix(project: Project) -> None:
    """Under xdist each test sees its own events."""
    done = project.run(MANY, "-n", "2")
    assert (done.returncode, "8 passed" in done.stdout) == (0, True), done.stdout + done.stderr
