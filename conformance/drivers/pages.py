"""Calls in real pages: one page load per case, and a sentinel event after each call."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from conformance.browsers import PageBroken, Tab
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import LATE_EVENT_SECONDS, Instruments
from conformance.protocol.requirements import Lane
from conformance.recorder import Exchange

_LEAVE_SECONDS = 10.0
_BACK_SECONDS = 5.0
# So few that their requests together stay far below a browser's keepalive budget of 64 KiB.
_FEW_CALLS, _FEW_CHARACTERS = 25, 8_000
_COMPUTED = re.compile(r"repeat\(|length:")
# Records uncaught exceptions, including those of the tracker's promises and timers.
WATCH = """window.raised = [];
addEventListener('error', (event) => { window.raised.push(String(event.message)) });
addEventListener('unhandledrejection', (event) => { window.raised.push(String(event.reason)) });
"""


def sentinel_of(token: str) -> str:
    """Return the token of the sentinel, the event that is sent after a case's own."""
    return f"{token[:-1]}s"


def run(tab: Tab, script: str) -> str | None:
    """Run a script in the page; return the text of its exception, or None."""
    thrown = tab.run(f"try {{ {script} }} catch (error) {{ return String(error) }} return null")
    return None if thrown is None else str(thrown)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a call: its exception, later uncaught ones, its requests, and if a next call works."""

    thrown: str | None
    raised: list[str]
    found: list[Exchange]
    next_works: bool


def call(
    instruments: Instruments,
    engine: str,
    script: str,
    token: str,
    *,
    vector: Mapping[str, Any] = MappingProxyType({}),
) -> Outcome:
    """Load a page, run the script in it, send a sentinel, and wait for the events of both.

    The vector may name a script to run before the tracker, a number of events, or that there is no sentinel.
    """
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page(before=WATCH + vector.get("before", "")))
    thrown = run(tab, script)
    sentinel: list[Exchange] = []
    if vector.get("sentinel", True):
        run(tab, f"clickport.track('Sentinel {sentinel_of(token)}')")
        sentinel = instruments.events(sentinel_of(token))
    if thrown and (broken := instruments.once(loading_error, engine)):
        thrown = f"{thrown}; the tracker's script raised {broken} when it was loaded"
    # Without a sentinel, the wait for it has left enough time.
    seconds = LATE_EVENT_SECONDS if sentinel else 0
    found = instruments.events(token, _least_events(vector), seconds=seconds)
    return Outcome(thrown=thrown, raised=raised_in(tab), found=found, next_works=bool(sentinel))


@contextmanager
def reading_an_answer() -> Iterator[None]:
    """Raise PageBroken if an answer of the page has another shape, because a script bent its built-ins."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise PageBroken(f"the page answers with something else than it was asked for: {error!r}") from error


def raised_in(tab: Tab, *, forget: bool = False) -> list[str]:
    """Return the uncaught exceptions of a page with ``WATCH``, even if its scripts replaced the list."""
    then = "window.raised = [];" if forget else ""
    script = f"const raised = [].concat(window.raised ?? []).map(String); {then} return raised"
    with reading_an_answer():
        return list(tab.run(script))


def call_together(instruments: Instruments, engine: str, lane: Lane) -> dict[str, Outcome]:
    """Make the calls of a lane's selected vectors that may share a page; return the outcome of each by token.

    The events of a few are awaited before the next few calls, so that the limits on requests in flight
    (DELIV-5, DELIV-6) do not matter. A sentinel follows all calls. Calls that may send nothing come last,
    because a tracker may be broken by them, and a sentinel follows each of these at once.
    """
    cases = {instruments.setup.token(c.id, engine): c for c in instruments.selected(lane)}
    together = [(token, case.vector) for token, case in cases.items() if case.vector.get("together")]
    together.sort(key=lambda call: _least_events(call[1]) == 0)
    vectors = dict(together)
    if not vectors:
        return {}
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page(before=WATCH))
    thrown: dict[str, str] = {}
    prompt = True
    for few in few_at_a_time({token: _script(token, vector) for token, vector in vectors.items()}):
        thrown |= run_each(tab, few)
        if prompt:
            wanted = _awaited({token: vectors[token] for token in few})
            found = instruments.events_of_each(wanted, seconds=LATE_EVENT_SECONDS)
            prompt = all(found[token] for token, number in wanted.items() if number)
    sentinel = sentinel_of(instruments.setup.token(f"sentinel of the {lane} lane", engine))
    run(tab, f"clickport.track('Sentinel {sentinel}')")
    arrived = bool(instruments.events(sentinel))
    each = instruments.events_of_each(_awaited(vectors), seconds=LATE_EVENT_SECONDS if arrived else 0)
    raised = raised_in(tab)
    return {
        token: Outcome(
            thrown=thrown.get(token),
            raised=raised,
            found=each[token],
            next_works=bool(each.get(sentinel_of(token), arrived)),
        )
        for token in vectors
    }


def _least_events(vector: Mapping[str, Any]) -> int:
    """Return the number of events that a vector's call makes, or 0 if it may make none."""
    number: int = vector.get("events", 0 if vector.get("optional") else 1)
    return number


def _awaited(vectors: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of events to wait for: those of the calls and of their own sentinels, by token."""
    least = {token: _least_events(vector) for token, vector in vectors.items()}
    return least | {sentinel_of(token): 1 for token, number in least.items() if not number}


def _script(token: str, vector: Mapping[str, Any]) -> str:
    """Return the script of a vector's call, with a sentinel of its own if it may send nothing."""
    script: str = vector["call"].replace("{token}", token)
    if _least_events(vector):
        return script
    return f"try {{ {script} }} finally {{ clickport.track('Sentinel {sentinel_of(token)}') }}"


def run_each(tab: Tab, scripts: Mapping[str, str]) -> dict[str, str]:
    """Run scripts one after the other in one task of the page; return the exceptions by token.

    Raises PageBroken if the page answers with anything else.
    """
    calls = "".join(
        f"try {{ (() => {{ {script} }})() }} catch (error) {{ thrown['{token}'] = String(error) }}\n"
        for token, script in scripts.items()
    )
    thrown = tab.run(f"const thrown = {{}};\n{calls}return thrown")
    if not isinstance(thrown, dict):
        raise PageBroken(f"the page answers with {type(thrown).__name__} where it was given an object")
    return {token: str(text) for token, text in thrown.items() if token in scripts}


def few_at_a_time(scripts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the scripts by the few; one whose payload is longer than its text, such as repeat(), is alone."""
    few: dict[str, str] = {}
    for token, script in scripts.items():
        long = bool(_COMPUTED.search(script))
        size = sum(map(len, few.values())) + len(script)
        if few and (long or len(few) >= _FEW_CALLS or size > _FEW_CHARACTERS):
            yield few
            few = {}
        few[token] = script
        if long:
            yield few
            few = {}
    if few:
        yield few


def loading_error(instruments: Instruments, engine: str) -> str:
    """Return the error, with its place, that the tracker's script or shim raises on load, or "".

    The script is loaded from the page's own origin, because browsers report only "Script error." for others.
    """
    tab = instruments.tab(engine)
    tab.goto(f"{instruments.recorder.page_origin}/next/blank")
    return str(
        tab.run(
            """const raised = [];
            const place = ({ filename, lineno, colno }) =>
              filename ? ` (${filename.split('/').pop()}:${lineno}:${colno})` : '';
            addEventListener('error', (e) => { if (e.message) raised.push(e.message + place(e)) });
            addEventListener('unhandledrejection', (e) => {
              raised.push('an unhandled rejection: ' + String(e.reason)) });
            const load = (src) => new Promise((done) => {
              const script = document.createElement('script');
              script.onload = script.onerror = () => setTimeout(done);
              Object.assign(script.dataset, { domain: 'example.com', api: '/control/loading' });
              script.src = src; document.head.append(script) });
            return """
            + json.dumps(instruments.scripts)
            + ".reduce((before, src) => before.then(() => load(src)), Promise.resolve())"
            + ".then(() => raised.join('; '))"
        )
    )


# Taken before the tracker runs, which may replace it.
PLAIN_FETCH = "window.plainFetch = window.fetch.bind(window);"


def reporting_script(instruments: Instruments, path: str) -> str:
    """Return the script of a page that posts to ``path`` whenever it is shown; see ``restored``.

    The page reports by itself, because automation may lose track of a frozen page.
    """
    return (
        f"{PLAIN_FETCH} addEventListener('pageshow', (event) => plainFetch("
        f"'{instruments.recorder.page_origin}{path}',"
        " { method: 'POST', body: event.persisted ? 'restored' : 'loaded' }))"
    )


def restored(instruments: Instruments, path: str) -> bool:
    """Wait until a page that was left is shown again; return True if it came from the back/forward cache."""
    shown = instruments.recorder.wait(2, path=path, seconds=_BACK_SECONDS)
    return any(exchange.body == b"restored" for exchange in shown)


def let_the_page_know(tab: Tab) -> None:
    """Make two requests, so that the page has handled network results that arrived before them."""
    for _ in range(2):
        tab.run("return fetch('/next/page').then((answer) => answer.text())")


def use_page(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """Click the button of an API-4 case's page; its handler makes the tracked call."""
    name = evidence.case.id.partition("/api-4-")[2]
    evidence.sent = f"a click on the button of fixtures/pages/{name}.html"
    tab = instruments.shared_tab(engine)
    tab.goto(
        instruments.page(f"{name}.html", token=token, next=f"{instruments.recorder.page_origin}/next/page")
    )
    tab.click("#go")
    # A form navigates; the shared tab must have arrived before its next navigation.
    tab.wait_until("document.forms.length === 0", _LEAVE_SECONDS)
