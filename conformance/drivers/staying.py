"""Ways out on which the page stays: downloads, other windows, mail, print, intercepted navigations."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from conformance.browsers import PageBroken, Tab
from conformance.drivers.features import require_feature
from conformance.drivers.liveness import shared_visit
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable
from conformance.recorder import Exchange

_SECONDS, _PLAIN_SECONDS = 5.0, 1.0
_INTERCEPT = """navigation.addEventListener('navigate', (event) => event.intercept(
  { handler: async () => { window.intercepted = true } }), { once: true });
leaving(); location.href = '/page/elsewhere'"""


@dataclass(frozen=True, kw_only=True)
class _Scene:
    tab: Tab
    engine: str
    next: str
    file: str
    printed: str
    instruments: Instruments


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """The requests of an event made in the task of a way out, and the suite's plain request beside it.

    ``problem`` is not empty if the browser did not take that way.
    """

    found: list[Exchange]
    plain: list[Exchange]
    problem: str


@shared_visit
def ways_out(instruments: Instruments, engine: str, turn: int) -> Mapping[str, WayOut]:
    """Take each way out of one page in turn, and print another page; return what arrived, by way.

    ``turn`` numbers the visits of an engine.
    """
    outs: dict[str, WayOut] = {}
    tokens: dict[str, str] = {}
    recorder = instruments.recorder
    for ways in (_IN_A_PAGE, _IN_ANOTHER):
        with closing(instruments.tab(engine)) as tab:
            scenario = _Scene(
                tab=tab,
                engine=engine,
                next=f"{recorder.page_origin}/next/page",
                file=f"/control/file-{turn}-{engine}",
                printed=f"/control/printed-{turn}-{engine}",
                instruments=instruments,
            )
            tab.goto(
                instruments.page(
                    "staying.html",
                    next=scenario.next,
                    file=scenario.file,
                    printed=scenario.printed,
                    control=f"{recorder.endpoint_origin}/control/",
                )
            )
            for way, take in ways.items():
                tokens[way] = instruments.setup.token(f"way out {way} {turn}", engine)
                outs[way] = _out(scenario, tokens[way], take)
    # A tracker that sends in batches may have sent an event of one way on the next.
    return {way: replace(out, found=instruments.events(tokens[way], 0)) for way, out in outs.items()}


def _out(scenario: _Scene, token: str, take: Callable[[_Scene], None]) -> WayOut:
    problem = ""
    try:
        scenario.tab.run(f"window.token = '{token}'")
        take(scenario)
    except NotTestable as error:
        problem = str(error)
    except (PageBroken, TimeoutError) as error:
        problem = f"{scenario.engine} did not take this way: {error}"
    found = [] if problem else scenario.instruments.events(token)
    seconds = 0 if problem else _PLAIN_SECONDS
    plain = scenario.instruments.recorder.wait(1, token=token, path=f"/control/{token}", seconds=seconds)
    return WayOut(found=found, plain=plain, problem=problem)


def _download(scenario: _Scene) -> None:
    # Answered with a 404, so that no file is left behind.
    scenario.tab.click("#download")
    if not scenario.instruments.recorder.wait(1, path=scenario.file, seconds=_SECONDS):
        raise NotTestable(f"{scenario.engine} asks for no file to download here")


def _form_target(scenario: _Scene) -> None:
    scenario.tab.popup("document.getElementById('form-target').click()").close()


def _popup(scenario: _Scene) -> None:
    popup = scenario.tab.popup(f"leaving(); window.open('{scenario.next}', '', 'noopener')")
    opener = popup.run("return opener")
    popup.close()
    if opener is not None:
        raise NotTestable(f"{scenario.engine} tells the new window its opener")


def _intercept(scenario: _Scene) -> None:
    require_feature(scenario.instruments, scenario.engine, "Navigation API")
    scenario.tab.run(f"setTimeout(() => {{ {_INTERCEPT} }})")
    scenario.tab.wait_until("window.intercepted && location.pathname === '/page/elsewhere'", _SECONDS)


def _mailto(scenario: _Scene) -> None:
    scenario.tab.click("#mailto")


def _print(scenario: _Scene) -> None:
    # The call returns at once in an engine that prints nothing; in others a dialog may have to be closed.
    scenario.tab.run("setTimeout(() => { leaving(); print(); tell('returned') })")
    requests = scenario.instruments.recorder.wait(1, path=scenario.printed, seconds=_SECONDS)
    if not any(exchange.body == b"beforeprint" for exchange in requests):
        raise NotTestable(f"{scenario.engine} prints nothing here: there was no beforeprint event")


# Mail is the last, because WebKitGTK shows an error page then; and a page that is printed may hang.
_IN_A_PAGE: Mapping[str, Callable[[_Scene], None]] = {
    "download": _download,
    "form-target": _form_target,
    "popup-noopener": _popup,
    "intercept": _intercept,
    "mailto": _mailto,
}
_IN_ANOTHER: Mapping[str, Callable[[_Scene], None]] = {"print": _print}
