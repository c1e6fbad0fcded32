"""Each fault of a tracker fails its requirement, with a message that names the difference."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

POST = "method: 'POST', body: body, keepalive: true"
FETCH = "window.fetch(endpoint, { " + POST + " })['catch'](function () {});"
# Two hundred texts, each alone in its call, and 1,200 calls: no fault here makes a difference among them.
SHORTER = ("--skip", "*-verbatim-*", "--skip", "wire-4-1200-*")
BY_GET = "window.fetch(endpoint + '?' + encodeURIComponent(body), { keepalive: true });"


def test_good_tracker_conforms(good_tracker_run: "Ended") -> None:
    """A sound tracker in another style than the reference is conformant, in all drawn cases, too."""
    assert good_tracker_run.code == 0, good_tracker_run.text
    assert good_tracker_run.report["conformant"] is True
    assert good_tracker_run.violated == set()
    assert not {"error", "not-testable"} & set(good_tracker_run.statuses.values())
    assert "conformant in what was selected: " in good_tracker_run.text


@pytest.mark.parametrize(
    ("requirement", "fault", "said"),
    [
        pytest.param(
            "REV-1",
            (
                "typeof revenue.amount === 'number' && isFinite(revenue.amount)) {\n        event.ra = ",
                "revenue.amount) {\n        event.ra = +",
            ),
            "ra: expected nothing or a number, got null",
            id="a price with its sign becomes null",
        ),
        pytest.param(
            "WIRE-1",
            (FETCH, BY_GET),
            "expected a POST to a path ending in /api/event, got GET /api/event",
            id="by GET",
        ),
        pytest.param(
            "PROP-1",
            ("    return JSON", "    event.mk.sort();\n    return JSON"),
            'mk[0]: expected "zone", got "article"',
            id="keys sorted away from their values",
        ),
    ],
)
def test_fault_is_found(
    check: "Check", mine: "Implementations", requirement: str, fault: tuple[str, str], said: str
) -> None:
    """A fault ends the run with 1, and the console names the requirement and the difference."""
    run = check("--tracker", mine.tracker(*fault), "--only", requirement, "--skip", "*-fuzz*", *SHORTER)
    assert (run.code, run.violated) == (1, {requirement}), run.text
    assert any(said in detail for detail in run.details(requirement)), run.details(requirement)
    assert f"{requirement} MUST chromium" in run.text
    assert f"violation of {requirement}" in run.text.replace("violations", "violation")


def test_lack_of_keepalive_is_found_in_the_exits(check: "Check", mine: "Implementations") -> None:
    """Without keepalive, only DELIV-1 and DELIV-2 fail, and the message says why."""
    chosen = _only("deliv-1-keep*", "deliv-2-href-same*", "wire-2-plain", "api-1")
    run = check("--tracker", mine.tracker("keepalive: true", "keepalive: false"), *chosen, *SHORTER)
    assert (run.code, run.violated) == (1, {"DELIV-1", "DELIV-2"}), run.text
    for why in run.details("DELIV-1"):
        assert "it was sent without keepalive" in why
    assert "error" not in run.statuses.values()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            (
                "      return undefined;",
                "      window.clickport.track = function () { window.clickport.track = track };",
            ),
            "a plain call made afterwards sent nothing",
            id="the next call is lost",
        ),
        pytest.param(
            (
                "      return undefined;",
                "      Promise.resolve().then(function () { window.clickport.track = function () {} });",
            ),
            "a plain call made afterwards sent nothing",
            id="after its task all calls are lost",
        ),
        pytest.param(
            (
                "attempt(function () {\n      event.mv",
                "(function (read) { try { read() } catch (e) { Promise.reject(e); throw e } })(function () {"
                " event.mv",
            ),
            "uncaught",
            id="the event is given up with an uncaught rejection",
        ),
    ],
)
def test_fault_of_an_exception_is_blamed_on_its_call(
    check: "Check", mine: "Implementations", fault: tuple[str, str], said: str
) -> None:
    """API-5: of calls that share a page, and need not send anything, the one with the exception is blamed."""
    sound = ("api-5-no-arguments", "api-6-no-name")
    run = check("--tracker", mine.tracker(*fault), *_only("api-5-throwing-getter", *sound))
    assert (run.code, run.violated) == (0, set()), run.text  # API-5 is a SHOULD.
    assert [said in detail for detail in run.details("API-5")] == [True], run.details("API-5")
    assert run.statuses["tracker/api-5-throwing-getter"] == "fail"
    assert {run.statuses[f"tracker/{case}"] for case in sound} == {"pass"}


def test_sending_twice_is_one_violation(check: "Check", mine: "Implementations") -> None:
    """A tracker that sends each event twice violates only WIRE-4, because every copy is right."""
    twice = ("        send(", "        send(message.apply(null, call));\n        send(")
    chosen = (*_only("wire-2", "wire-4", "prop-2", "rev-1"), "--skip", "*-fuzz*", *SHORTER)
    run = check("--tracker", mine.tracker(*twice), *chosen)
    assert (run.code, run.violated) == (1, {"WIRE-4"}), run.text


def test_company_is_not_blamed(check: "Check", mine: "Implementations") -> None:
    """A tracker that stops after five events of a page fails no text case, although these share a page."""
    stops = (
        "if (typeof name === 'string'",
        "if ((track.n = (track.n || 0) + 1) <= 5 && typeof name === 'string'",
    )
    run = check("--tracker", mine.tracker(*stops), "--only", "tracker/*-verbatim-trim-*")
    assert (len(run.statuses), set(run.statuses.values())) == (12, {"pass"}), run.text


def test_one_failure_of_a_requirement_is_enough(check: "Check", mine: "Implementations") -> None:
    """With --first-failure, the verdict is the same after one failing case of the requirement."""
    run = check("--tracker", mine.tracker("t: 'e'", "t: 'event'"), "--only", "wire-2", "--first-failure")
    cases = [c for c in run.report["cases"] if c["requirement"] == "WIRE-2" and c["level"] == "MUST"]
    assert (run.code, run.violated) == (1, {"WIRE-2"}), run.text
    assert [c["status"] for c in cases].count("fail") == 1
    assert {c["detail"] for c in cases if c["status"] == "not-run"} == {"WIRE-2 has failed already"}


def test_failure_shows_call_request_and_how_to_repeat_it(check: "Check", mine: "Implementations") -> None:
    """A failure on the console shows the call, the request, and the command that repeats the case."""
    tracker = mine.tracker("t: 'e'", "t: 'event'")
    run = check("--tracker", tracker, "--only", "tracker/wire-2-plain")
    repeat = f"clickport check --tracker {tracker} --browser chromium --only tracker/wire-2-plain"
    assert repeat in run.out
    assert "clickport.track('" in run.text
    assert '"t":"event"' in run.text.replace(": ", ":")
    again = check(*repeat.split()[2:])
    assert again.statuses == run.statuses


def test_tracker_that_hangs_a_closing_page_is_no_fault_of_the_suite(
    check: "Check", mine: "Implementations"
) -> None:
    """A tracker that retries refused requests endlessly prevents a page from closing: its failure."""
    again = f"(function again() {{ window.fetch(endpoint, {{ {POST} }})['catch'](again); }})();"
    run = check("--tracker", mine.tracker(FETCH, again), "--only", "tracker/deliv-2-window-close-same*")
    assert (run.code, set(run.statuses.values())) == (4, {"not-testable"}), run.text
    assert "the page was not left within 10 s" in run.text


def _only(*patterns: str) -> list[str]:
    return [word for pattern in patterns for word in ("--only", pattern)]
