"""Examine the tracker as a whole, once per engine, before any case runs.

A tracker without ``track()``, one that breaks its page, and one that sends nothing under automation or on a
local host would fail every case alike. One page finds such a fault. It fails only the cases of the violated
requirement (API-1 or API-2); all others are reported as not testable, with that reason.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, TypeVar

from conformance.browsers import PageBroken, Tab
from conformance.drivers.pages import loading_error
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import EVENT_SECONDS, Instruments
from conformance.protocol.cases import Case, select
from conformance.protocol.outcomes import NotTestable, TargetUnavailable, Violation
from conformance.protocol.requirements import Lane

Visit = TypeVar("Visit", bound=Callable[..., Any])

LANES = frozenset({Lane.TRACKER, Lane.PAIR})
_TYPE = "typeof (window.clickport || {}).track"
_LOOK = f"try {{ return {_TYPE} }} catch (error) {{ return 'not readable: it throws ' + String(error) }}"
# Runs before the tracker: the names of the globals that it adds hint at a function under another name.
_NOTE_GLOBALS = "window.before = new Set(Object.getOwnPropertyNames(window).concat('before'));"
_ADDED = "return Object.getOwnPropertyNames(window).filter((name) => !window.before.has(name)).slice(0, 5)"
# One call of each kind, so that a fault in one of them is not mistaken for silence.
_CALLS = (
    "clickport.track('Signup {token}')",
    "clickport.track('Signup {token}', {{ plan: 'pro' }})",
    "clickport.track('Signup {token}', {{ plan: 'pro' }}, {{ amount: 25, currency: 'EUR' }})",
)
_PROBE_SECONDS = 1.5
# A page that hangs costs 15 s. After this many, the remaining cases are not tried.
_MOST_BROKEN = 3


def _reads(name: str, value: str) -> str:
    return f"Object.defineProperty(navigator, '{name}', {{ get: () => {value}, configurable: true }});"


# Signs by which a tracker may recognise automation, and the script that hides each; each is tried alone. No
# engine says "Headless" in its User-Agent as started here, but Chromium does in its client hints.
_RULES = {
    "navigator.webdriver": _reads("webdriver", "false"),
    "navigator.userAgentData (HeadlessChrome)": (
        "if (window.NavigatorUAData) { const brands = navigator.userAgentData.brands.map(({ brand, version })"
        " => ({ brand: brand.replace('HeadlessChrome', 'Google Chrome'), version }));"
        " Object.defineProperty(NavigatorUAData.prototype, 'brands',"
        " { get: () => brands, configurable: true }) }"
    ),
    "navigator.doNotTrack or navigator.globalPrivacyControl": _reads("doNotTrack", "'0'")
    + _reads("globalPrivacyControl", "false"),
}
_LOCAL_HOST = "the local host name of the page"


@dataclass(frozen=True, kw_only=True)
class Life:
    """The result of examining a tracker in one engine.

    ``problem`` is empty if the tracker sends events, or fails in a way that the cases themselves show.
    Otherwise ``requirement`` is the violated one, and ``seen`` the evidence from the page.
    """

    problem: str = ""
    requirement: str = ""
    seen: str = ""


def require_life(instruments: Instruments, case: Case, engine: str, evidence: Evidence) -> None:
    """Require that the tracker as a whole can be tested before a case begins. Does nothing in other lanes.

    Raises Violation if the case belongs to the violated requirement, or if no case of that requirement was
    selected; otherwise NotTestable.
    """
    if case.lane not in LANES:
        return
    life = instruments.once(examine, engine)
    if not life.problem:
        require_whole_pages(instruments, engine)
        return
    options = instruments.setup.options
    bearing = _bearing(options.lanes, options.only, options.skip, life.requirement)
    if bearing and case.requirement not in bearing:
        raise NotTestable(f"not tested: {life.problem.partition(';')[0]}: see {min(bearing)}")
    evidence.sent, evidence.received = _TYPE, life.seen
    raise Violation(life.problem)


@cache
def _bearing(
    lanes: tuple[Lane, ...], only: tuple[str, ...], skip: tuple[str, ...], requirement: str
) -> frozenset[str]:
    """Return the requirement whose cases fail, API-1 or API-2; empty if no case of either was selected."""
    chosen, _ = select(lanes=LANES.intersection(lanes), only=only, skip=skip)
    selected = {case.requirement for case in chosen}
    for bearer in (requirement, "API-2"):
        if bearer in selected:
            return frozenset({bearer})
    return frozenset()


def examine(instruments: Instruments, engine: str) -> Life:
    """Load a plain page, look for ``track``, and make calls; if nothing arrives, search for the reason.

    Raises TargetUnavailable if the engine cannot show a page without the tracker either.
    """
    try:
        return _examine(instruments, engine)
    except (PageBroken, TimeoutError) as error:
        require_engine(instruments, engine, error)
        return Life(
            problem=f"the tracker's script breaks a page that holds nothing else: {error}",
            requirement="API-1",
            seen="the page did not answer",
        )


def require_whole_pages(instruments: Instruments, engine: str) -> None:
    """Raise NotTestable if too many pages of this engine have broken to try another one."""
    if instruments.broken[engine] >= _MOST_BROKEN:
        raise NotTestable(
            f"not tested: {_MOST_BROKEN} pages of {engine} broke before, for example in calls that hang; "
            "the failed cases show which; run this case alone with --only"
        )


def require_engine(instruments: Instruments, engine: str, error: Exception) -> None:
    """Restart the engine and load a page without a tracker. Raises TargetUnavailable if that fails too."""
    instruments.restart(engine)
    try:
        tab = instruments.tab(engine)
        tab.goto(f"{instruments.recorder.page_origin}/next/blank")
        tab.wait_until("document.readyState === 'complete'", _PROBE_SECONDS)
        tab.close()
    except (PageBroken, TimeoutError) as broken:
        raise TargetUnavailable(f"{engine} shows no page at all: {broken}; before: {error}") from broken


def shared_visit(do: Visit) -> Visit:
    """Decorate a visit to a page that decides several cases: if the page breaks, each is not testable.

    The page counts as one that broke, however many cases there are.
    """

    @wraps(do)
    def visit(instruments: Instruments, engine: str, *args: Any) -> Any:
        try:
            return do(instruments, engine, *args)
        except (PageBroken, TimeoutError) as error:
            raise not_observed(instruments, engine, error) from error

    return visit  # type: ignore[return-value]


def not_observed(instruments: Instruments, engine: str, error: Exception) -> NotTestable:
    """Return NotTestable for a case whose page broke. Raises TargetUnavailable if the engine is broken."""
    note_broken(instruments, engine, error)
    return NotTestable(
        f"the page broke: {error}; {engine} shows a page without the tracker, so its script may be the cause"
    )


def note_broken(instruments: Instruments, engine: str, error: Exception) -> None:
    """Count a broken page and restart the engine. Raises TargetUnavailable if the engine is broken."""
    instruments.broken[engine] += 1
    require_engine(instruments, engine, error)


def _examine(instruments: Instruments, engine: str) -> Life:
    tab = instruments.tab(engine)
    tab.goto(instruments.page(before=_NOTE_GLOBALS))
    if (seen := tab.run(_LOOK)) != "function":
        return Life(
            problem=_absence(instruments, engine, tab, str(seen)), requirement="API-1", seen=str(seen)
        )
    token = instruments.setup.token("life", engine)
    tab.run("; ".join(f"try {{ {call.format(token=token)} }} catch {{}}" for call in _CALLS))
    arrived = instruments.recorder.wait(1, token=token, sent=True, seconds=EVENT_SECONDS)
    tab.close()
    # A queue and fetchLater are sent when the page has ended: the cases themselves show that.
    arrived = arrived or instruments.recorder.wait(1, token=token, sent=True, seconds=_PROBE_SECONDS)
    rule = "" if arrived else _rule(instruments, engine)
    if not rule:
        return Life()
    return Life(
        problem=f"the tracker sends nothing because of {rule}: the same calls arrive when that looks like a "
        f"visitor's; test a build without this rule{_way_out(rule)}",
        requirement="API-2",
        seen="3 calls, 0 requests",
    )


def _absence(instruments: Instruments, engine: str, tab: Tab, seen: str) -> str:
    added = tab.run(_ADDED)
    tab.close()
    raised = loading_error(instruments, engine)
    others = f"; the script added these globals: {', '.join(added)}" if added else ""
    why = f"the tracker's script raised {raised}" if raised else f"the script raised nothing{others}"
    return f"after the page has loaded there is no track(): {_TYPE} is {seen!r}, expected 'function'; {why}"


def _rule(instruments: Instruments, engine: str) -> str:
    """Return the rule that silences the tracker, found by hiding one sign per page; "" if none is found."""
    everything = "".join(_RULES.values())
    probes = {
        **{rule: (script, instruments.recorder.page_origin) for rule, script in _RULES.items()},
        _LOCAL_HOST: ("", instruments.plain_origin(engine)),
        "signs of automation or a local host": (everything, instruments.plain_origin(engine)),
    }
    for rule, (script, origin) in probes.items():
        if _arrives(instruments, engine, script, origin, rule):
            return rule
    return ""


def _arrives(instruments: Instruments, engine: str, script: str, origin: str, rule: str) -> bool:
    token = instruments.setup.token(f"life {rule}", engine)
    url = instruments.page(before=script, endpoint=f"{origin}/api/event")
    with closing(instruments.tab(engine)) as tab, suppress(PageBroken, TimeoutError):
        tab.goto(url.replace(instruments.recorder.page_origin, origin))
        tab.run("; ".join(f"try {{ {call.format(token=token)} }} catch {{}}" for call in _CALLS))
        return bool(instruments.recorder.wait(1, token=token, sent=True, seconds=_PROBE_SECONDS))
    return False


def _way_out(rule: str) -> str:
    if rule not in _RULES:
        return ""
    return f", or a copy that begins with: {_RULES[rule]}"
