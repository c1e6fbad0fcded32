"""Service workers of a page, and events that go through them (DELIV-2, DELIV-3, DELIV-7)."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.exits import leave
from conformance.drivers.features import require_feature
from conformance.drivers.liveness import shared_visit
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.protocol.cases import catalogue
from conformance.protocol.outcomes import NotTestable, Violation
from conformance.recorder import Exchange

_SCRIPT = "/worker.js"
_TAKE_OVER = """addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));
const own = ({ url }) => new URL(url).pathname.startsWith('/control/');
"""
# The negative control of an exit goes past each of them, so that it ends with its page.
_KINDS: Mapping[str, str] = {
    "passing": "addEventListener('fetch', (event) => {"
    " if (!own(event.request)) event.respondWith(fetch(event.request)) })",
    "caching": """addEventListener('fetch', (event) => {
  const { request } = event;
  if (!own(request)) event.respondWith(caches.open('worker').then(async (cache) => {
    const kept = request.method === 'GET' && await cache.match(request);
    if (kept) return kept;
    const answer = await fetch(request);
    if (request.method === 'GET') await cache.put(request, answer.clone());
    return answer;
  }));
})""",
    "standing-aside": "addEventListener('fetch', () => { throw new Error('a fault of the worker') })",
    # Fails the requests that carry the token, and counts them.
    "failing": """let failed = 0;
addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'POST') event.respondWith(request.clone().text().then((text) => {
    if (!text.includes('TOKEN')) return fetch(request);
    failed += 1;
    throw new Error('a fault of the worker');
  }));
});
addEventListener('message', (event) => event.source.postMessage(failed))""",
}
_REGISTER = """
  const controlled = new Promise((done) =>
    navigator.serviceWorker.addEventListener('controllerchange', () => done(true)));
  return navigator.serviceWorker.register(SCRIPT, { scope: location.pathname })
    .then(() => navigator.serviceWorker.controller ? true : controlled, (error) => String(error))
"""
_UNREGISTER = """
  return navigator.serviceWorker.getRegistrations()
    .then((all) => Promise.all(all.map((each) => each.unregister())))
    .then(() => caches.delete('worker'))
"""
_ASK = """
  const answer = new Promise((done) =>
    navigator.serviceWorker.addEventListener('message', ({ data }) => done(data)));
  navigator.serviceWorker.startMessages();
  navigator.serviceWorker.controller.postMessage('how many?');
  return answer
"""


@dataclass(frozen=True, kw_only=True)
class ThroughWorker:
    """The requests of an event in a page with a worker, and what became of one that was made at the exit.

    ``evidence`` and ``lost`` are those of the exit; ``lost`` is None if its event outlived the page.
    """

    found: list[Exchange]
    next_works: bool
    evidence: Evidence
    lost: Exception | None


@shared_visit
def through_worker(instruments: Instruments, engine: str, kind: str) -> ThroughWorker:
    """Make an event and a sentinel in a page that a worker controls, then another event while leaving it.

    Raises NotTestable if the engine registers no worker.
    """
    token, leaving = (instruments.setup.token(f"worker {kind} {n}", engine) for n in (1, 2))
    case = next(case for case in catalogue() if case.id == f"tracker/deliv-2-worker-{kind}")
    own, sentinel = Evidence(case=case), pages.sentinel_of(token)
    lost: Exception | None = None

    def stay(tab: Tab) -> None:
        control(instruments, engine, tab, kind)
        pages.run(tab, f"clickport.track('Signup {token}')")
        instruments.events(token)
        pages.run(tab, f"clickport.track('Sentinel {sentinel}')")
        instruments.events(sentinel)

    with without_workers(instruments, engine):
        try:
            leave(instruments, engine, own, leaving, "href-same-origin", earlier=stay)
        except (Violation, NotTestable) as error:
            lost = error
    return ThroughWorker(
        found=instruments.events(token, 0),
        next_works=bool(instruments.events(sentinel, 0)),
        evidence=own,
        lost=lost,
    )


def control(instruments: Instruments, engine: str, tab: Tab, kind: str, token: str = "") -> None:
    """Give the page a worker, and load it anew under its control, twice if it caches.

    Raises NotTestable if the engine registers no worker.
    """
    require_feature(instruments, engine, "service workers")
    script = _TAKE_OVER + _KINDS[kind].replace("TOKEN", token)
    instruments.recorder.mount(_SCRIPT, script.encode(), "text/javascript")
    if (problem := tab.run(_REGISTER.replace("SCRIPT", json.dumps(_SCRIPT)))) is not True:
        raise NotTestable(f"{engine} registers no service worker here: {problem}")
    for _ in range(2 if kind == "caching" else 1):
        tab.goto(tab.url)
    if not tab.run("return Boolean(navigator.serviceWorker.controller)"):
        raise NotTestable(f"{engine} does not let the service worker control the page")


def failed_by_worker(tab: Tab) -> int:
    """Return the number of requests that the page's failing worker has failed."""
    with pages.reading_an_answer():
        return int(tab.run(_ASK))


@contextmanager
def without_workers(instruments: Instruments, engine: str) -> Iterator[None]:
    """Unregister the workers of the pages' origin when the block ends, and delete their cache."""
    try:
        yield
    finally:
        tab = instruments.shared_tab(engine)
        tab.goto(f"{instruments.recorder.page_origin}/next/blank")
        tab.run(_UNREGISTER)
