"""Documented ways for a site to call the tracker (API-4)."""

from pathlib import Path

from conformance.drivers.expectations import require_arrival
from conformance.drivers.markers import scenarios
from conformance.drivers.pages import use_page
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.paths import bundled
from conformance.protocol.outcomes import NotTestable, Violation

_LEAVE_SECONDS = 10.0


@scenarios(
    "tracker/api-4-inline-onclick",
    "tracker/api-4-submit-listener",
    "tracker/api-4-window-property",
)
def test_handler_sends_event(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-4: a handler of the documented kind sends its event."""
    use_page(instruments, engine, evidence, token)
    require_arrival(evidence, instruments.events(token))


@scenarios("tracker/api-4-react-component", "tracker/api-4-vue-component")
def test_component_sends_event(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """API-4: a handler of a framework's component sends its event although it leaves the page."""
    name = evidence.case.id.partition("/api-4-")[2]
    path = f"/{name}.js"
    instruments.recorder.mount(path, _built(name).read_bytes(), "text/javascript")
    tab = instruments.shared_tab(engine)
    tab.goto(
        instruments.page(
            "component.html",
            token=token,
            component=path,
            next=f"{instruments.recorder.page_origin}/next/page",
        )
    )
    evidence.sent = f"a click on the button of frameworks/{name}, which calls track and leaves the page"
    tab.click("#go")
    try:
        tab.wait_until("!document.getElementById('app')", _LEAVE_SECONDS)
    except TimeoutError as error:
        raise Violation("the handler did not leave the page: the call threw, or blocks") from error
    require_arrival(evidence, instruments.events(token))


def _built(name: str) -> Path:
    """Return the built script of a component. Raises NotTestable if it is not built."""
    folder = bundled("fixtures/frameworks/package.json").parent
    script = folder / "dist" / f"{name}.js"
    if not script.exists():
        raise NotTestable(f"the component is not built: run npm ci and npm run build in {folder}")
    return script
