"""The dashboard lane on the reference, and on a server without a dashboard."""

from collections.abc import Callable
from typing import TYPE_CHECKING

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


def test_no_dashboard(check: "Check", mine: "Implementations") -> None:
    """For a server without a dashboard, the lane names what is missing and the page that describes it."""
    run = check(*mine.server_alone(), "--lane", "dashboard", *SOME)
    assert (run.code, set(run.statuses.values())) == (4, {"not-testable"}), run.text
    assert "`clickport docs test-my-dashboard` lists what a dashboard must offer" in run.text
