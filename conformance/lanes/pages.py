"""Runs calls in real pages: a page newly loaded for each case, a sentinel after each call."""

from conformance.bench import Bench
from conformance.browsers import Tab
from conformance.evidence import Evidence, NotTestable
from conformance.witness import Exchange

_LEAVE_SECONDS = 10.0


def sentinel_of(token: str) -> str:
    """The token of the event that is sent after a case's own, and must arrive after it."""
    return f"{token[:-1]}s"


def run(tab: Tab, script: str) -> str | None:
    """Run a script in the page; return the text of what it threw, or None."""
    thrown = tab.run(f"try {{ {script} }} catch (error) {{ return String(error) }} return null")
    return None if thrown is None else str(thrown)


def call(bench: Bench, engine: str, script: str, token: str) -> str | None:
    """Load a page, run the script in it, then send a sentinel; return what the script threw, if it did."""
    tab = bench.shared_tab(engine)
    tab.goto(bench.page())
    thrown = run(tab, script)
    run(tab, f"clickport.track('Sentinel {sentinel_of(token)}')")
    return thrown


def arrived(bench: Bench, token: str, number: int = 1) -> list[Exchange]:
    """Wait for the sentinel of ``call``, then for the events that were called before it.

    Raises NotTestable when ``number`` is 0 and the sentinel stays away: then nothing proves absence.
    """
    sentinel = bench.events(sentinel_of(token))
    if number == 0 and not sentinel:
        raise NotTestable("the event sent afterwards never arrived, so silence proves nothing")
    # Without a sentinel the time for both is over.
    return bench.events(token, number, seconds=None if sentinel else 0)


def use_page(bench: Bench, engine: str, evidence: Evidence, token: str) -> None:
    """Click the button of the page that the API-4 case is about; its handler makes the tracked call."""
    name = evidence.case.id.partition("/api-4-")[2]
    evidence.sent = f"a click on the button of fixtures/pages/{name}.html"
    tab = bench.shared_tab(engine)
    tab.goto(bench.page(f"{name}.html", token=token, next=f"{bench.recorder.here}/next/page"))
    tab.click("#go")
    # A form leads away; the shared tab must have arrived before it is sent elsewhere.
    tab.wait_until("document.forms.length === 0", _LEAVE_SECONDS)
