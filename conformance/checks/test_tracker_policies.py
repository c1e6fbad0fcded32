"""The tracker under policies, in frames, and with the visitor's signals (GOOD-3, GOOD-7 to GOOD-12)."""

import json
from collections.abc import Mapping
from contextlib import closing

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.expectations import require_arrival
from conformance.drivers.features import require_feature
from conformance.drivers.liveness import shared_visit
from conformance.drivers.markers import scenarios
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import EVENT_SECONDS, Instruments
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.recorder import Exchange
from conformance.targets.server import EVENT_PATH

# Records what a site learns of a violation: reports, console errors and events.
_REPORTS = (
    pages.WATCH
    + """window.reports = [];
const wrong = console.error;
console.error = (...words) => { window.reports.push(`console.error: ${words.join(' ')}`); wrong(...words) };
addEventListener('securitypolicyviolation', (event) => { window.reports.push(event.violatedDirective) });
const named = (list) => list.map(({ type, body }) => `${type}: ${body.featureId}`);
const observer = window.ReportingObserver && new ReportingObserver(
  (list) => window.reports.push(...named(list)), { types: ['permissions-policy-violation'], buffered: true });
observer?.observe();
window.reported = () => [...window.reports, ...named(observer?.takeRecords() ?? [])];
"""
)
# As in a browser that forbids storage to frames of other sites.
_STORAGE_THROWS = """for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches'])
  Object.defineProperty(window, name, { get() { throw new DOMException('forbidden', 'SecurityError') } });
"""
_LOOK_AT_STORAGE = (
    "try { window.storage = typeof sessionStorage } catch (error) { window.storage = error.name }"
)
_SAVE_DATA = "Object.defineProperty(NetworkInformation.prototype, 'saveData', { get: () => true });"
_PRIVACY = """Object.defineProperty(Navigator.prototype, 'globalPrivacyControl',
  { get: () => true, configurable: true });
"""


@scenarios("tracker/good-3-unload-forbidden")
def test_unload_forbidden(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOOD-3: where unload is forbidden the event arrives, and nothing is reported."""
    require_feature(instruments, engine, "policy unload")
    _require_quiet_event(instruments, engine, evidence, token, {"Permissions-Policy": "unload=()"})


@scenarios("tracker/good-7-trusted-types")
def test_trusted_types(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOOD-7: where text is no markup the event arrives, and nothing is reported."""
    require_feature(instruments, engine, "Trusted Types")
    headers = {"Content-Security-Policy": "require-trusted-types-for 'script'"}
    _require_quiet_event(instruments, engine, evidence, token, headers)


@scenarios("tracker/good-8-require-corp")
def test_require_corp(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOOD-8: on a page with an embedder policy the event arrives, and nothing is raised.

    The scripts are same-origin: their server's header, not the tracker, would decide otherwise.
    """
    headers = {"Cross-Origin-Embedder-Policy": "require-corp"}
    endpoint = f"{instruments.recorder.endpoint_origin}{EVENT_PATH}"
    tab, found = _track(instruments, engine, evidence, token, headers=headers, endpoint=endpoint)
    require_arrival(evidence, found)
    _require_silence(tab)


@scenarios("tracker/good-11-save-data")
def test_save_data(instruments: Instruments, engine: str, evidence: Evidence, token: str) -> None:
    """GOOD-11: the event of a visitor who saves data arrives."""
    require_feature(instruments, engine, "navigator.connection.saveData")
    _, found = _track(instruments, engine, evidence, token, before=_SAVE_DATA)
    require_arrival(evidence, found)


@scenarios("tracker/good-12-global-privacy-control")
def test_global_privacy_control(
    instruments: Instruments, engine: str, evidence: Evidence, token: str
) -> None:
    """GOOD-12, open: whether an event is sent under Global Privacy Control."""
    _, found = _track(instruments, engine, evidence, token, before=_PRIVACY)
    evidence.wire(found)
    if not found:
        raise Violation("under Global Privacy Control no event is sent")


@scenarios("tracker/good-9-sandboxed-frame", "tracker/good-10-frame-without-storage")
def test_frames(instruments: Instruments, engine: str, evidence: Evidence) -> None:
    """GOOD-9, GOOD-10: in a frame without storage the event arrives, and nothing is raised."""
    kind = "sandboxed" if evidence.case.requirement == "GOOD-9" else "foreign"
    evidence.sent = f"clickport.track(…) in a {kind} frame"
    found, states = instruments.once(_framed, engine)
    evidence.wire(found[kind])
    storage, raised = states[kind]
    if storage != "SecurityError":
        raise NotTestable(f"{engine} lets the frame use its storage")
    require_arrival(evidence, found[kind], raised[0] if raised else None)
    if raised:
        raise Violation(f"in the frame the tracker raised {raised[0]!r}, uncaught")


@shared_visit
def _framed(
    instruments: Instruments, engine: str
) -> tuple[Mapping[str, list[Exchange]], Mapping[str, tuple[str, list[str]]]]:
    """Load a page with a sandboxed frame and one of another site; return the events of each.

    The second mapping has what became of the storage, and what was raised.
    """
    tokens = {kind: instruments.setup.token(f"good {kind}", engine) for kind in ("sandboxed", "foreign")}
    before = {"sandboxed": pages.WATCH, "foreign": pages.WATCH + _STORAGE_THROWS}
    urls = {
        kind: instruments.page("framed.html", token=token, before=before[kind] + _LOOK_AT_STORAGE)
        for kind, token in tokens.items()
    }
    # To the page of 127.0.0.1, localhost is another site.
    recorder = instruments.recorder
    foreign = urls["foreign"].replace(recorder.page_origin, recorder.endpoint_origin)
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page("frames.html", sandboxed=urls["sandboxed"], foreign=foreign))
    each = {token: _arrived(instruments, engine, token) for token in tokens.values()}
    pages.let_the_page_know(tab)
    tab.run("for (let i = 0; i < frames.length; i++) frames[i].postMessage('report', '*')")
    tab.wait_until("Object.keys(window.states).length === 2", EVENT_SECONDS)
    states = tab.run("return window.states")
    with pages.reading_an_answer():
        words = {
            kind: (str(states[token]["storage"]), [*states[token]["raised"]])
            for kind, token in tokens.items()
        }
    return {kind: each[token] for kind, token in tokens.items()}, words


def _track(
    instruments: Instruments,
    engine: str,
    evidence: Evidence,
    token: str,
    *,
    before: str = "",
    headers: Mapping[str, str] | None = None,
    endpoint: str = "",
) -> tuple[Tab, list[Exchange]]:
    """Make a call in a page with these headers, or this script before the tracker; return what arrived."""
    tab = instruments.shared_tab(engine)
    tab.goto(instruments.page(before=_REPORTS + before, headers=headers or {}, endpoint=endpoint))
    where = "; ".join(f"{name}: {value}" for name, value in (headers or {}).items())
    evidence.sent = f"clickport.track('Signup {token}')" + (f" under {where}" if where else "")
    if thrown := pages.run(tab, f"clickport.track('Signup {token}')"):
        tab.run(f"window.raised.push({json.dumps(thrown)})")
    return tab, _arrived(instruments, engine, token)


def _arrived(instruments: Instruments, engine: str, token: str) -> list[Exchange]:
    """Wait for the event of an unusual page and return its requests; none only if a plain page's event came.

    The later event of a plain page, in another tab, proves that the first is lost and not only late. Raises
    NotTestable if that does not arrive either.
    """
    if found := instruments.events(token):
        return found
    sentinel = pages.sentinel_of(token)
    with closing(instruments.tab(engine)) as tab:
        tab.goto(instruments.page())
        pages.run(tab, f"clickport.track('Sentinel {sentinel}')")
        if not instruments.events(sentinel):
            raise NotTestable("no event arrived, not even that of a plain page: see API-2")
    return instruments.events(token, 0)


def _require_quiet_event(
    instruments: Instruments, engine: str, evidence: Evidence, token: str, headers: dict[str, str]
) -> None:
    """Require that the event of a page with these headers arrives, and that nothing is reported."""
    tab, found = _track(instruments, engine, evidence, token, headers=headers)
    require_arrival(evidence, found)
    _require_silence(tab)


def _require_silence(tab: Tab) -> None:
    """Require that the page got no report of a violation and no exception. Raises Violation."""
    pages.let_the_page_know(tab)
    with pages.reading_an_answer():
        reports = [*tab.run("return window.reported()"), *pages.raised_in(tab)]
    if reports:
        raise Violation(f"the tracker caused a report in the page: {str(reports[0])[:200]}")
