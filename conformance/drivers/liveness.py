"""Examine a tracker as a whole, once an engine: no ``track()``, a broken page, or silence by rule.

Such a fault would fail every case alike. It is found with one page and fails the cases of the requirement
that it violates (API-1 or API-2); the others are not tested, for that reason.
"""

from dataclasses import dataclass
from functools import cache

from conformance.browsers import PageBroken, Tab
from conformance.drivers.pages import loading_error
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import EVENT_SECONDS, Instruments, sent_events
from conformance.protocol.cases import Case, select
from conformance.protocol.outcomes import NotTestable, TargetUnavailable, Violation
from conformance.protocol.requirements import Lane

LANES = frozenset({Lane.TRACKER, Lane.PAIR})
_TYPE = "typeof (window.clickport || {}).track"
_LOOK = f"try {{ return {_TYPE} }} catch (error) {{ return 'not readable: it throws ' + String(error) }}"
# Made before the tracker runs; the names of globals that it adds are a hint at one that has another name.
_NOTE_GLOBALS = "window.before = new Set(Object.getOwnPropertyNames(window).concat('before'));"
_ADDED = "return Object.getOwnPropertyNames(window).filter((name) => !window.before.has(name)).slice(0, 5)"
# A call of each kind: a tracker that has a fault in one of them is not silent.
_CALLS = (
    "clickport.track('Signup {token}')",
    "clickport.track('Signup {token}', {{ plan: 'pro' }})",
    "clickport.track('Signup {token}', {{ plan: 'pro' }}, {{ amount: 25, currency: 'EUR' }})",
)
_PROBE_SECONDS = 1.5
# A page that hangs takes 15 s to be given up: after so many, the other cases are not tried.
_MOST_BROKEN = 3


def _reads(name: str, value: str) -> str:
    return f"Object.defineProperty(navigator, '{name}', {{ get: () => {value}, configurable: true }});"


# What makes a tracker silent, and the script by which the page looks otherwise; each is tried alone.
_RULES = {
    "navigator.webdriver": _reads("webdriver", "false"),
    "navigator.userAgent (HeadlessChrome)": "{ const agent = navigator.userAgent.replace('Headless', ''); "
    + _reads("userAgent", "agent")
    + " }",
    "navigator.doNotTrack or navigator.globalPrivacyControl": _reads("doNotTrack", "'0'")
    + _reads("globalPrivacyControl", "false"),
}
_LOCAL_HOST = "the local host name of the page"


@dataclass(frozen=True, kw_only=True)
class Life:
    """The state of a tracker as a whole in an engine.

    ``problem`` is empty if it sends events, or fails in a way that its cases show.

    ``requirement`` is the one that is violated, and ``seen`` what was found in the page.
    """

    problem: str = ""
    requirement: str = ""
    seen: str = ""


def require_life(instruments: Instruments, case: Case, engine: str, evidence: Evidence) -> None:
    """Let a case of a lane with a tracker begin only if the tracker as a whole can be tested.

    Raises Violation if the case is one of the requirement that is violated, or if none of these was selected;
    otherwise NotTestable.
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
    """Return the requirement whose cases bear the failure: API-1 or API-2, if cases of it were selected."""
    chosen, _ = select(lanes=LANES.intersection(lanes), only=only, skip=skip)
    selected = {case.requirement for case in chosen}
    for bearer in (requirement, "API-2"):
        if bearer in selected:
            return frozenset({bearer})
    return frozenset()


def examine(instruments: Instruments, engine: str) -> Life:
    """Load a plain page, look for ``track``, and make a call; if nothing arrives, look for the reason.

    Raises TargetUnavailable if the engine cannot show a page without the tracker either.
    """
    try:
        return _examine(instruments, engine)
    except (PageBroken, TimeoutError) as error:
        require_engine(instruments, engine, error)
        return Life(
            problem=f"a page that has the script and nothing else is broken by it: {error}",
            requirement="API-1",
            seen="the page did not answer",
        )


def require_whole_pages(instruments: Instruments, engine: str) -> None:
    """Raise NotTestable if so many pages broke that it is no use to try another."""
    if instruments.broken[engine] >= _MOST_BROKEN:
        raise NotTestable(
            f"not tested: {_MOST_BROKEN} pages of {engine} broke before, in calls that hang, say; "
            "the cases that failed show which, and --only tries this one alone"
        )


def require_engine(instruments: Instruments, engine: str, error: Exception) -> None:
    """Restart the engine and show a page without a tracker. Raises TargetUnavailable if that fails, too."""
    instruments.restart(engine)
    try:
        tab = instruments.tab(engine)
        tab.goto(f"{instruments.recorder.page_origin}/next/blank")
        tab.wait_until("document.readyState === 'complete'", _PROBE_SECONDS)
        tab.close()
    except (PageBroken, TimeoutError) as broken:
        raise TargetUnavailable(f"{engine} shows no page at all: {broken}; before: {error}") from broken


def not_observed(instruments: Instruments, engine: str, error: Exception) -> NotTestable:
    """Return the reason of a case whose page broke. Raises TargetUnavailable if the engine is broken."""
    note_broken(instruments, engine, error)
    return NotTestable(
        f"the page broke: {error}; {engine} shows a page without the tracker, so the script may have done it"
    )


def note_broken(instruments: Instruments, engine: str, error: Exception) -> None:
    """Count a page that broke, and restart the engine. Raises TargetUnavailable if the engine is broken."""
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
    arrived = instruments.recorder.wait(1, token=token, seconds=EVENT_SECONDS)
    tab.close()
    rule = "" if sent_events(arrived) else _rule(instruments, engine)
    if not rule:
        return Life()
    return Life(
        problem=f"the tracker sends nothing because of {rule}: the same call arrives where that looks like a "
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
    """Return the rule that keeps a tracker silent here, found by pages that look otherwise; "" if none is."""
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
    tab = instruments.tab(engine)
    try:
        tab.goto(url.replace(instruments.recorder.page_origin, origin))
        tab.run("; ".join(f"try {{ {call.format(token=token)} }} catch {{}}" for call in _CALLS))
        return bool(sent_events(instruments.recorder.wait(1, token=token, seconds=_PROBE_SECONDS)))
    except (PageBroken, TimeoutError):
        return False
    finally:
        tab.close()


def _way_out(rule: str) -> str:
    if rule not in _RULES:
        return ""
    return f", or a copy that begins with: {_RULES[rule]}"
