"""The dashboard lane on the reference, on a fault in it, and on a server without a dashboard."""

import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.mutants.implementations import reference_server, subjects

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

# One case by the API and one by the page.
SOME = ("--only", "dashboard/goal-3-api-completions", "--only", "dashboard/dash-2-page-arrow")


def test_reference_passes(check: "Check") -> None:
    """The reference passes by the API and by the page, and the lane's canary is noticed."""
    run = check("--lane", "dashboard", *SOME)
    assert run.statuses == {
        "dashboard/goal-3-api-completions": "pass",
        "dashboard/dash-2-page-arrow": "pass",
    }, run.text
    assert '"canaries": {"dashboard": "noticed"}' in (run.folder / "clickport-run.jsonl").read_text()


def test_fault_is_found(check: "Check", tmp_path: Path) -> None:
    """A dashboard that counts visitors as conversions fails only GOAL-3; the message has both numbers."""
    copy = tmp_path / "reference_server"
    shutil.copytree(reference_server(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    [fault] = [s.edit for s in subjects() if s.name == "dashboard-counts-converters"]
    assert fault
    place = tmp_path / fault.file
    place.write_text(fault.apply(place.read_text(encoding="utf-8")), encoding="utf-8")
    command = f"env PYTHONPATH={shlex.quote(str(tmp_path))} {shlex.quote(sys.executable)} -m reference_server"
    run = check("--lane", "dashboard", "--server-cmd", f"{command} serve --port {{port}}", *SOME)
    assert (run.code, run.violated) == (1, {"GOAL-3"}), run.text
    [said] = run.details("GOAL-3")
    assert said == "goals: expected {'Purchase': (3, 150.0)}, got {'Purchase': (2, 150.0)}"


def test_no_dashboard(check: "Check", mine: "Implementations") -> None:
    """For a server without a dashboard, the lane names what is missing and the page that describes it."""
    run = check(*mine.server_alone(), "--lane", "dashboard", *SOME)
    assert (run.code, set(run.statuses.values())) == (4, {"not-testable"}), run.text
    assert "`clickport docs test-my-dashboard` lists what a dashboard must offer" in run.text
