"""A tracker of another protocol, checked through a shim and a payload mapping."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

EXIT, ONCE = "tracker/deliv-2-href-cross-origin", "tracker/deliv-3-once-href"
REVENUE = "tracker/rev-1-cents"
PAYLOAD = "foreign_payload.py"


def foreign(mine: "Implementations", *cases: str, **faults: tuple[str, str]) -> list[str]:
    """Return the options to check the foreign tracker on cases, with a fault in tracker, shim or payload."""
    script = mine.copy("foreign.js", *faults.get("tracker", ()))
    shim = mine.copy("foreign_shim.js", *faults.get("shim", ()))
    payload = mine.copy(PAYLOAD, *faults.get("payload", ()))
    only = [word for case in cases for word in ("--only", case)]
    return ["--tracker", str(script), "--shim", str(shim), "--payload", str(payload), *only]


def test_foreign_tracker_is_mapped(check: "Check", mine: "Implementations") -> None:
    """With shim and mapping, its events are recognised and counted, although no body contains a token."""
    run = check(*foreign(mine, EXIT, ONCE, REVENUE))
    assert run.statuses == dict.fromkeys((EXIT, ONCE, REVENUE), "pass"), run.text


def test_payload_gets_no_request_of_the_suite(check: "Check", mine: "Implementations") -> None:
    """A mapping that fails on each path but the tracker's is never given the suite's own requests."""
    everything = ('request.path != "/collect"', 'request.path == "/hello"')
    cases = [
        f"tracker/{name}"
        for name in ("good-2-*", "good-4-*-call", "good-9-*", "deliv-2-ping-*", "deliv-2-download-*")
    ]
    run = check(*foreign(mine, *cases, payload=everything))
    assert set(run.statuses.values()) == {"pass"}, run.text


@pytest.mark.parametrize(
    ("case", "fault", "said"),
    [
        pytest.param(
            EXIT,
            {"tracker": ("keepalive: true", "keepalive: false")},
            "sent without keepalive",
            id="a tracker that loses its events",
        ),
        pytest.param(
            ONCE,
            {
                "tracker": (
                    "    post('/collect?v=2', {",
                    "    post('/collect?v=2', { batch: waiting }); post('/collect?v=2', {",
                )
            },
            "one call made 2 requests across the exit, expected 1",
            id="a tracker that sends twice",
        ),
        pytest.param(
            EXIT,
            {"payload": ('one["label"]', '"Exit"')},
            "no request outlived the page",
            id="name not mapped",
        ),
        pytest.param(
            REVENUE, {"payload": ('("ra", "rc")', '("rc", "ra")')}, "differs at ra", id="revenue mapped wrong"
        ),
        pytest.param(
            EXIT,
            {"payload": ('"/collect"', '"/elsewhere"')},
            "no request outlived the page",
            id="mapping of another path",
        ),
    ],
)
def test_faults_are_found(
    check: "Check", mine: "Implementations", case: str, fault: dict[str, tuple[str, str]], said: str
) -> None:
    """A fault of the tracker or of its mapping fails the case for it."""
    run = check(*foreign(mine, case, **fault), "--strict")
    assert (run.code, run.statuses) == (1, {case: "fail"}), run.text
    assert said in run.text


def test_without_the_mapping_nothing_is_seen(check: "Check", mine: "Implementations") -> None:
    """Without the mapping, no token is found in base64 bodies."""
    options = foreign(mine, EXIT)
    run = check(*options[:4], *options[6:])
    assert (run.code, run.statuses) == (1, {EXIT: "fail"}), run.text


def test_mapping_that_raises(check: "Check", mine: "Implementations") -> None:
    """A mapping that raises ends the run with 3 and names file, error, request and remedy."""
    run = check(*foreign(mine, REVENUE, payload=('one["label"]', 'one["name"]')))
    assert (run.code, run.statuses) == (3, {REVENUE: "error"}), run.text
    [case] = [c for c in run.report["cases"] if c["status"] == "error"]
    assert f"{PAYLOAD}: payloads() raised KeyError: 'name', for POST /collect?v=2" in case["detail"]
    assert "for a request without custom events it must return []" in run.text


def test_shim_that_raises(check: "Check", mine: "Implementations") -> None:
    """An exception of a shim on load is reported with the call that failed because of it."""
    run = check(*foreign(mine, REVENUE, shim=("window.elsewhere.start", "window.nowhere.start")))
    assert (run.code, run.statuses) == (1, {REVENUE: "fail"}), run.text
    assert "raised Uncaught TypeError" in run.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--shim", "none.js"), "--shim: could not read the shim none.js: No such file or directory"),
        (("--shim", "empty.js"), "--shim: the shim empty.js is empty"),
        (("--payload", "none.py"), "--payload: there is no file none.py"),
        (("--payload", "empty.py"), "--payload: empty.py has no function payloads(request)"),
        (("--payload", "no_such.module"), "--payload: no_such.module cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_slips_are_usage(
    check: "Check", mine: "Implementations", tmp_path: Path, options: tuple[str, str], said: str
) -> None:
    """An invalid shim or payload module ends with 2 before anything is started."""
    for name in ("empty.js", "empty.py"):
        (tmp_path / name).touch()
    run = check("--tracker", mine.tracker(), "--lane", "tracker", *options)
    assert run.code == 2, run.text
    assert said in run.text
