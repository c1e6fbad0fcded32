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
    next_works = bool(vector.get("sentinel", True)) and _sentinel_arrives(instruments, tab, token)
    if thrown and (broken := instruments.once(loading_error, engine)):
        thrown = f"{thrown}; the tracker's script raised {broken} when it was loaded"
    # Without a sentinel, the wait for it has left enough time.
    seconds = LATE_EVENT_SECONDS if next_works else 0
    found = instruments.events(token, _least_events(vector), seconds=seconds)
    return Outcome(thrown=thrown, raised=raised_in(tab), found=found, next_works=next_works)


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
    (DELIV-5, DELIV-6) do not matter. One sentinel follows these. Calls that may send nothing come last,
    because one may break the tracker; each has a task and a sentinel of its own, as in a page of its own.
    """
    cases = [case for case in instruments.selected(lane) if case.vector.get("together")]
    vectors = {instruments.setup.token(case.id, engine): case.vector for case in cases}
    if not vectors:
        return {}
    scripts = {token: vector["call"].replace("{token}", token) for token, vector in vectors.items()}
    least = {token: _least_events(vector) for token, vector in vectors.items()}
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page(before=WATCH))
    thrown: dict[str, str] = {}
    prompt = True
    for few in few_at_a_time({token: script for token, script in scripts.items() if least[token]}):
        thrown |= run_each(tab, few)
        if prompt:
            found = instruments.events_of_each(dict.fromkeys(few, 1), seconds=LATE_EVENT_SECONDS)
            prompt = all(found.values())
    last = _sentinel_arrives(instruments, tab, instruments.setup.token(f"the {lane} lane", engine))
    works = dict.fromkeys(scripts, last)
    for token in (token for token in scripts if not least[token]):
        if (text := run(tab, scripts[token])) is not None:
            thrown[token] = text
        # If one was lost, nothing is awaited any more: the rest is judged by pages of their own.
        last = works[token] = _sentinel_arrives(instruments, tab, token, seconds=None if last else 0)
    each = instruments.events_of_each(least, seconds=LATE_EVENT_SECONDS if last else 0)
    raised = raised_in(tab)
    return {
        token: Outcome(thrown=thrown.get(token), raised=raised, found=each[token], next_works=works[token])
        for token in scripts
    }


def _least_events(vector: Mapping[str, Any]) -> int:
    """Return the number of events that a vector's call makes, or 0 if it may make none."""
    number: int = vector.get("events", 0 if vector.get("optional") else 1)
    return number


def _sentinel_arrives(
    instruments: Instruments, tab: Tab, token: str, *, seconds: float | None = None
) -> bool:
    """Make a plain call after a case's own; return True if its event arrives, in time as for ``events``."""
    run(tab, f"clickport.track('Sentinel {sentinel_of(token)}')")
    return bool(instruments.events(sentinel_of(token), seconds=seconds))


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
