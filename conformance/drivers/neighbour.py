"""Pages that watch the tracker as a neighbour: what it leaves in them, and if they can come back (GOOD)."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from conformance.browsers import Tab
from conformance.drivers import pages
from conformance.drivers.liveness import shared_visit
from conformance.harness.instruments import Instruments
from conformance.protocol.outcomes import NotTestable

# Of a session id and its time; longer than any is needed by far.
MOST_ENTRIES, MOST_BYTES = 2, 256
_TRACK = "clickport.track('{name} {token}', {{ plan: 'pro' }})"
_BACK_SECONDS = 5.0
# Runs before the tracker. Cookies do not depend on the port, so other cases may have left some; storage does.
_OBSERVE = """{
  for (const cookie of document.cookie.split('; ')) {
    document.cookie = cookie.split('=')[0] + '=; Path=/; Max-Age=0';
  }
  window.cookiesBefore = document.cookie.split('; ');
  // A cookie of another path is not seen in this page, so the paths are noted.
  window.cookiePaths = new Set();
  const note = (path) => { if (typeof path === 'string' && path[0] === '/') window.cookiePaths.add(path) };
  const jar = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie');
  Object.defineProperty(Document.prototype, 'cookie', { ...jar, set(text) {
    note(/;\\s*path\\s*=\\s*([^;]*)/i.exec(text)?.[1].trim());
    jar.set.call(this, text);
  } });
  const store = window.CookieStore?.prototype;
  const write = store?.set;
  if (write) store.set = function (...cookie) {
    note(cookie[0]?.path);
    return write.apply(this, cookie);
  };
  window.listeners = [];
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    const at = this ?? window;
    if (at === window && (type === 'unload' || type === 'beforeunload')) {
      window.listeners.push(`addEventListener('${type}')`);
    }
    return add.call(at, type, ...rest);
  };
}
"""
# Storage is given 1.5 s to become small: a queue may be emptied only after the answers.
_LEFT_BEHIND = """
  const entries = () => ['localStorage', 'sessionStorage'].flatMap((area) =>
    Object.keys(window[area]).map((key) =>
      [`${area} ${key}`, new Blob([key, window[area].getItem(key)]).size]));
  const large = (found) =>
    found.length > MOST_ENTRIES || found.reduce((sum, [, size]) => sum + size, 0) > MOST_BYTES;
  const look = async (deadline) => {
    const databases = ((await window.indexedDB?.databases?.()) ?? []).map(({ name }) => `IndexedDB ${name}`);
    const caches = ((await window.caches?.keys()) ?? []).map((name) => `cache ${name}`);
    const found = entries();
    if ((large(found) || databases.length || caches.length) && performance.now() < deadline) {
      await new Promise((done) => setTimeout(done, 50));
      return look(deadline);
    }
    return { entries: found, stores: [...databases, ...caches] };
  };
  const properties = ['onunload', 'onbeforeunload'].filter((name) => window[name]);
  const left = ({ cookie }) =>
    cookie.split('; ').filter((each) => each && !window.cookiesBefore.includes(each));
  const cookiesOf = (path) => new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      const found = left(frame.contentDocument).map((each) => `${each} (Path=${path})`);
      frame.remove();
      done(found);
    };
    // A cookie of /a is also sent to /a/; cookieStore may have added the slash.
    frame.src = location.origin + path.replace(/\\/?$/, '/');
    document.body.append(frame);
  });
  const cookies = async () => {
    const paths = [...window.cookiePaths].filter((path) => !`${location.pathname}/`.startsWith(path));
    return [...left(document), ...(await Promise.all(paths.map(cookiesOf))).flat()];
  };
  return look(performance.now() + 1500).then(async (stored) =>
    ({ ...stored, cookies: await cookies(), listeners: [...window.listeners, ...properties] }))
""".replace("MOST_ENTRIES", str(MOST_ENTRIES)).replace("MOST_BYTES", str(MOST_BYTES))
_REASONS = """
  const all = ({ reasons, children }) =>
    [...(reasons ?? []).map(({ reason }) => reason), ...(children ?? []).flatMap(all)];
  return all(performance.getEntriesByType('navigation')[0].notRestoredReasons ?? {}).join(', ')
"""


@dataclass(frozen=True, kw_only=True)
class TrackerTraces:
    """Traces of the tracker in a page after two answered events, and if the page came back as it was.

    ``entries`` maps the entries of local and session storage to their sizes in bytes; ``stores`` names
    databases and caches. ``reasons`` are the browser's own for a page that did not come back, if it tells.
    """

    listeners: Sequence[str]
    cookies: Sequence[str]
    entries: Sequence[tuple[str, int]]
    stores: Sequence[str]
    came_back: bool
    reasons: str


@shared_visit
def visit(instruments: Instruments, engine: str, turn: str = "first") -> TrackerTraces:
    """Load a page on an origin of its own, make two calls, look at what they left, leave, and go back.

    ``turn`` names the visit, if there are several. Raises NotTestable if the events do not arrive: a silent
    tracker leaves nothing.
    """
    token, path = instruments.setup.token(f"good {turn}", engine), _control(turn, engine)
    with closing(instruments.tab(engine, frozen_pages=True)) as tab:
        before = _OBSERVE + pages.reporting_script(instruments, path)
        tab.goto(_own_origin(instruments, instruments.page(before=before, stored=True)))
        for name in ("First", "Second"):
            answered = _track(instruments, tab, name, token)
            if not answered:
                raise NotTestable("no event arrived, so what the tracker does is not seen: see API-2")
        found = tab.run(_LEFT_BEHIND)
        came_back, reasons = _step_back(instruments, tab, path)
    with pages.reading_an_answer():
        return TrackerTraces(
            listeners=[str(each) for each in found["listeners"]],
            cookies=[str(each) for each in found["cookies"]],
            entries=[(str(key), int(size)) for key, size in found["entries"]],
            stores=[str(each) for each in found["stores"]],
            came_back=came_back,
            reasons=reasons,
        )


@shared_visit
def comes_back_untracked(instruments: Instruments, engine: str) -> bool:
    """Return True if the browser restores a page like that of ``visit``, without the tracker."""
    with closing(instruments.tab(engine, frozen_pages=True)) as tab:
        path = _control("untracked", engine)
        before = _OBSERVE + pages.reporting_script(instruments, path)
        page = instruments.page("leave-untracked.html", before=before, stored=True, next="/next/page")
        tab.goto(_own_origin(instruments, page))
        return _step_back(instruments, tab, path)[0]


def _track(instruments: Instruments, tab: Tab, name: str, token: str) -> bool:
    pages.run(tab, _TRACK.format(name=name, token=token))
    number = 1 if name == "First" else 2
    found = instruments.events(token, number)
    if len(found) < number:
        return False
    # The answers: a request in flight may keep a page out of the cache.
    instruments.events(token, number, answered=True)
    pages.let_the_page_know(tab)
    return True


def _step_back(instruments: Instruments, tab: Tab, path: str) -> tuple[bool, str]:
    """Leave the page and go back; return True if it was restored, else the browser's reasons.

    The page acts by itself, because automation may lose track of a frozen page.
    """
    origin = tab.url.rpartition("/page/")[0]
    tab.goto(f"{origin}/next/page")
    tab.run("setTimeout(() => history.back())")
    if pages.restored(instruments, path):
        return True, ""
    tab.wait_until(
        "document.readyState === 'complete' && location.pathname.startsWith('/page/')", _BACK_SECONDS
    )
    return False, str(tab.run(_REASONS))


def _own_origin(instruments: Instruments, url: str) -> str:
    """Return the page's URL on an origin that no other case uses, so that its storage is empty."""
    own = instruments.recorder.endpoint_origin.replace("localhost", "127.0.0.1")
    return url.replace(instruments.recorder.page_origin, own)


def _control(name: str, engine: str) -> str:
    return f"/control/good-{name}-{engine}"
