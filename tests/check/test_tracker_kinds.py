"""Unusual trackers: sound ones pass; a dead or silent one is reported in one line."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

SOME = (
    *("api-1-track*", "prop-1-changed*", "wire-4-one*"),
    *(
        "deliv-1-keep*",
        "deliv-2-href-same*",
        "deliv-2-link-cross*",
        "deliv-2-tab-*",
        "deliv-2-frame-removed*",
    ),
)


def only(*patterns: str) -> list[str]:
    """Return the options that select these cases."""
    return [word for pattern in patterns for word in ("--only", pattern)]


def test_sending_in_a_microtask_is_sound(check: "Check", mine: "Implementations") -> None:
    """A tracker that sends in a microtask fails only in a removed frame (a SHOULD)."""
    run = check("--tracker", str(mine.copy("microtask.js")), *only(*SOME))
    failed = {id_ for id_, status in run.statuses.items() if status == "fail"}
    assert (run.violated, failed) == (set(), {"tracker/deliv-2-frame-removed-same-origin"}), run.text


def test_sending_later_is_awaited_beside_a_new_tab(check: "Check", mine: "Implementations") -> None:
    """A tracker that collects events for 300 ms has not lost one of a page that stays open."""
    later = ("Promise.resolve(body).then(send);", "setTimeout(send, 300, body);")
    chosen = only("deliv-2-new-tab-same*", "deliv-2-download-*")
    run = check("--tracker", str(mine.copy("microtask.js", *later)), *chosen)
    assert set(run.statuses.values()) == {"pass"}, run.text


def test_losing_events_to_throwing_arguments_violates_no_must(
    check: "Check", mine: "Implementations"
) -> None:
    """If only throwing getters, conversions or traps lose the event, that is a warning."""
    fault = ("    try {\n      action();\n    } catch (error) {\n      return;\n    }", "    action();")
    chosen = only("wire-4-one*", "wire-4-fuzz", "prop-5-fuzz", "rev-1-fuzz", "prop-5-throwing-getter")
    run = check("--tracker", str(mine.copy("microtask.js", *fault)), *chosen, "--max-examples", "40")
    assert run.statuses["tracker/prop-5-throwing-getter"] == "fail", run.text
    assert run.violated == set(), run.text


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("window.clickport = {\n  track( => {} };", "SyntaxError", id="syntax"),
        pytest.param("\nthrow 'early'", "early (tracker.js:2:1)", id="throws"),
        pytest.param("window.Clickport = {}", "these globals: Clickport", id="another name"),
        pytest.param("window.clickport = { get track() { throw Error('own') } }", "own", id="a getter"),
        pytest.param(
            "Object.defineProperty(window, 'clickport', { get() { throw Error('mine') } })",
            "mine",
            id="throws",
        ),
        pytest.param("for (;;) {}", "breaks a page that holds nothing else", id="loads for ever"),
        pytest.param(
            "window.clickport = { track() { for (;;) {} } }",
            "breaks a page that holds nothing else",
            id="hangs",
        ),
    ],
)
def test_dead_tracker_is_one_violation(
    check: "Check", mine: "Implementations", script: str, said: str
) -> None:
    """Without track(), API-1 fails with the page's error; no other case runs or ends in an error."""
    tracker = mine.folder / "tracker.js"
    tracker.write_text(script, encoding="utf-8")
    run = check("--tracker", str(tracker), *only("api-1-track*", "wire-2-plain", "prop-1-fuzz"))
    assert (run.code, run.violated) == (1, {"API-1"}), run.text
    assert {s for id_, s in run.statuses.items() if "/api-1" not in id_} == {"not-testable"}
    assert all(said in detail for detail in run.details("API-1")), run.details("API-1")


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        ("navigator.webdriver", "navigator.webdriver"),
        (
            "navigator.userAgentData.brands.some(({ brand }) => brand.includes('Headless'))",
            "navigator.userAgentData (HeadlessChrome)",
        ),
        ("location.hostname === '127.0.0.1'", "the local host name of the page"),
    ],
)
def test_silence_by_rule_is_named(check: "Check", mine: "Implementations", condition: str, rule: str) -> None:
    """A tracker that never sends in test pages fails API-2 with the rule that stops it; nothing else runs."""
    tracker = mine.copy(
        "microtask.js", "typeof name !== 'string'", f"{condition} || typeof name !== 'string'"
    )
    run = check("--tracker", str(tracker), *only("api-2-name-alone", "wire-2-plain", "wire-4-fuzz"))
    assert (run.code, run.violated) == (1, {"API-2"}), run.text
    assert {s for id_, s in run.statuses.items() if "/api-2" not in id_} == {"not-testable"}
    assert f"sends nothing because of {rule}" in run.text


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("window.close()", id="closes"),
        pytest.param("location.href = '/next/page'", id="leaves"),
        pytest.param("window.Promise = function () { throw 1 }", id="no promises"),
        pytest.param("Array.prototype.map = Array.prototype.push = undefined", id="no arrays"),
        pytest.param("setTimeout(() => document.write('gone'), 50)", id="overwrites"),
        pytest.param(
            "alert(1); confirm(1); prompt(2); print(); window.open('/next/page')", id="dialogs and windows"
        ),
        pytest.param("window.onbeforeunload = () => 'stay'", id="asks to stay"),
        pytest.param("window.JSON = undefined", id="no JSON"),
        pytest.param("window.fetch = () => new Promise(() => {})", id="fetch says nothing"),
        pytest.param(
            "const own = window.fetch; window.fetch = (u, o) => own(u, { ...o, keepalive: true })",
            id="keeps every fetch alive",
        ),
        pytest.param("window.setTimeout = () => 0", id="no timers"),
        pytest.param("Object.prototype.toJSON = () => 'bent'; window.raised = 5", id="bends results"),
        pytest.param("window.addEventListener = () => { throw 1 }", id="no listeners"),
        pytest.param(
            "for (let i = 0; i < 1000; i++) console.error('x'.repeat(200))", id="floods the console"
        ),
        pytest.param("document.documentElement.remove()", id="no document"),
        pytest.param("Date.now = () => NaN; performance.now = () => NaN", id="no clock"),
    ],
)
def test_no_page_is_a_fault_of_the_suite(check: "Check", mine: "Implementations", script: str) -> None:
    """For any damage by a script to its page, cases fail or are not testable, but never end in an error."""
    tracker = mine.copy("microtask.js", "window.clickport = {", f"{script};\n  window.clickport = {{")
    run = check("--tracker", str(tracker), *only("api-1-track*", "deliv-2-href-same*", "prop-1-one-prop*"))
    assert "error" not in run.statuses.values(), run.text
    assert run.code in (0, 1, 4), run.text


def test_a_call_that_hangs_is_no_fault_of_others(check: "Check", mine: "Implementations") -> None:
    """A tracker that hangs on one text fails the case of that text; those that shared its page still pass."""
    hangs = "if (JSON.stringify(arguments).includes('%25')) for (;;) {}\n      "
    tracker = mine.copy(
        "microtask.js", "if (typeof name !== 'string'", f"{hangs}if (typeof name !== 'string'"
    )
    run = check("--tracker", str(tracker), *only("*-verbatim-trim-*", "*-verbatim-url-decode-value"))
    failed = {id_ for id_, status in run.statuses.items() if status == "fail"}
    assert failed == {"tracker/prop-1-verbatim-url-decode-value"}, run.text
    assert (run.code, "the call breaks the page" in run.text) == (1, True), run.text
    assert set(run.statuses.values()) == {"fail", "pass"}, run.statuses


def test_a_tracker_that_hangs_in_many_calls_is_given_up(check: "Check", mine: "Implementations") -> None:
    """After three calls that hang their pages the others are not tried: each would take 15 s."""
    hangs = "if (properties && properties.k2) for (;;) {}\n      "
    tracker = mine.copy(
        "microtask.js", "if (typeof name !== 'string'", f"{hangs}if (typeof name !== 'string'"
    )
    run = check(
        "--tracker", str(tracker), *only("prop-2-*", "prop-1-verbatim-*-value"), "--max-examples", "0"
    )
    assert (run.code, "error" in run.statuses.values()) == (1, False), run.text
    assert "pages of chromium broke before" in run.text
    assert run.seconds < 100
