"""The instruments of one worker process, each started when first asked for and stopped at the end."""

import html
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from functools import cached_property
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

from conformance.browsers import FREEZES_ON_REQUEST, PLAIN_HOSTS, Browser, Pictures, Tab, start
from conformance.harness.dashboard_api import Dashboard
from conformance.harness.run_context import RunContext
from conformance.paths import bundled
from conformance.protocol.cases import Case, select
from conformance.protocol.outcomes import TargetUnavailable, Violation
from conformance.protocol.requirements import Lane
from conformance.readback import Readback, StoredRow
from conformance.recorder import Exchange, Recorder
from conformance.targets import load_shim, load_tracker
from conformance.targets.asking import Patience
from conformance.targets.server import EVENT_PATH
from conformance.targets.throttling import require_unthrottled

P = ParamSpec("P")
T = TypeVar("T")

TRACKER_PATH = "/tracker.js"
SHIM_PATH = "/shim.js"
# How long an event may take to its recorder, and a row to its table ("within a few seconds").
EVENT_SECONDS = 5.0
ROW_SECONDS = 15.0
# How long once something sent later has arrived: connections and batches may overtake each other, a little.
LATE_EVENT_SECONDS = 1.5
LATE_ROW_SECONDS = 5.0
# How long when nothing came of all that was waited for before.
_SHORT_SECONDS = 0.3
_POLL_SECONDS = 0.05


class Instruments:
    """Recorder, browsers, pages and readback, for the checks of one process."""

    def __init__(self, setup: RunContext) -> None:
        self.setup = setup
        self._stack = ExitStack()
        self._pages = count(1)
        self._browsers: dict[str, tuple[Browser, ExitStack]] = {}
        self._tabs: dict[str, Tab] = {}
        self.pictures = Pictures(Violation)
        # The lanes in which a bent observation was shown to a check (see ``drivers/canary.py``).
        self.canaries: set[Lane] = set()
        # What the server does with plain events.
        self.patience = Patience()
        # How many pages of each engine broke while a case used them.
        self.broken: Counter[str] = Counter()
        # The cases that this process may be asked to check; None until pytest has collected them.
        self.collected: frozenset[str] | None = None
        # Whether the user has ended an open-ended search, and so those of the lanes that follow.
        self.search_ended = False
        # Why rows cannot be read; what is broken is not asked again for each case.
        self._unreadable: TargetUnavailable | None = None
        self._done: dict[Any, tuple[Any, Exception | None]] = {}
        # None: nothing was waited for yet; False for good once something came.
        self._nothing_came: bool | None = None
        self._nothing_stored: bool | None = None

    def close(self) -> None:
        """Stop whatever was started."""
        self._stack.close()

    def selected(self, lane: Lane) -> list[Case]:
        """Return the cases of a lane that this run checks: what nobody asked for is not prepared either."""
        options = self.setup.options
        cases, _ = select(lanes=[lane], only=options.only, skip=options.skip, part=options.part)
        return [case for case in cases if self.collected is None or case.id in self.collected]

    def once(self, do: "Callable[Concatenate[Instruments, P], T]", *args: P.args, **named: P.kwargs) -> T:
        """Return what ``do(self, …)`` returned, or raise what it raised, when it was first called so."""
        key = (do, args)
        if key not in self._done:
            try:
                self._done[key] = (do(self, *args, **named), None)
            except Exception as error:  # raised again, each time
                self._done[key] = (None, error)
        value, raised = self._done[key]
        if raised:
            raise raised.with_traceback(None)
        return value  # type: ignore[no-any-return]

    @cached_property
    def recorder(self) -> Recorder:
        """The witness, with the tracker under test mounted byte for byte, and its shim."""
        options = self.setup.options
        recorder = self._stack.enter_context(Recorder(options.payload))
        recorder.mount(TRACKER_PATH, load_tracker(options.tracker), "text/javascript")
        if options.shim:
            recorder.mount(SHIM_PATH, load_shim(options.shim), "text/javascript")
        return recorder

    @cached_property
    def readback(self) -> Readback | None:
        """The way to stored rows, if one was given."""
        return self.setup.readback()

    def tab(self, engine: str, *, frozen_pages: bool = False) -> Tab:
        """Open a tab of its own, for a case that leaves it or needs a session of its own.

        With ``frozen_pages`` in a browser whose back/forward cache is on.
        """
        return self.pictures.watch(self._browser(engine, frozen_pages=frozen_pages).tab())

    def shared_tab(self, engine: str) -> Tab:
        """The tab in which cases follow each other, each on a page newly loaded."""
        if engine not in self._tabs:
            self._tabs[engine] = self.tab(engine)
        return self.pictures.show(self._tabs[engine])

    def _browser(self, engine: str, *, frozen_pages: bool = False) -> Browser:
        key = f"{engine} with frozen pages" if frozen_pages and engine in FREEZES_ON_REQUEST else engine
        if key not in self._browsers:
            installed = next(b for b in self.setup.browsers if b.name == engine)
            running = ExitStack()
            browser = running.enter_context(start(installed, frozen_pages=frozen_pages))
            self._stack.callback(running.close)
            self._browsers[key] = browser, running
        return self._browsers[key][0]

    def restart(self, engine: str) -> None:
        """End the engine's browsers, and whatever a page has left in them; they start again when needed."""
        self._tabs.pop(engine, None)
        for key in [key for key in self._browsers if key.startswith(engine)]:
            _, running = self._browsers.pop(key)
            running.close()

    def plain_origin(self, engine: str) -> str:
        """An origin of the recorder that is no secure context in this engine; its pages can say if it is."""
        return f"http://{PLAIN_HOSTS[engine]}:{self.recorder.page_origin.rpartition(':')[2]}"

    @cached_property
    def dashboard(self) -> Dashboard:
        """The dashboard under test."""
        return self._stack.enter_context(closing(Dashboard(self.setup)))

    def page(
        self,
        template: str = "visit.html",
        *,
        before: str = "",
        stored: bool = False,
        domain: str = "",
        policy: str = "",
        **values: str,
    ) -> str:
        """Mount a page made from ``fixtures/pages`` and return its URL, which is never used twice.

        In the template ``{{name}}`` is a value, escaped for HTML, and ``{{snippet}}`` the tags of the tracker
        and of its shim, with the value ``nonce`` if there is one. ``{{before}}`` is a script that runs before
        the tracker. The tracker and its endpoint are cross-origin to the page, as with a hosted product. With
        an ``endpoint`` among the values it is that one, and the scripts are of the page's origin: only then
        is it told what they raise. A page that is ``stored`` may be kept by the browser. ``domain`` is the
        site in the snippet, if it is another than the run's. ``policy`` is sent with the page as its
        Content-Security-Policy.
        """
        recorder = self.recorder
        text = bundled(f"fixtures/pages/{template}").read_text(encoding="utf-8")
        endpoint, nonce = values.get("endpoint"), values.get("nonce", "")
        origin = "" if endpoint else recorder.endpoint_origin
        snippet = self._snippet(endpoint or f"{origin}{EVENT_PATH}", origin, domain=domain, nonce=nonce)
        text = text.replace("{{before}}", f"<script>{before}</script>" if before else "")
        for name, value in values.items():
            text = text.replace("{{" + name + "}}", html.escape(value))
        path = f"/page/{next(self._pages)}"
        body = text.replace("{{snippet}}", snippet).encode()
        recorder.mount(path, body, "text/html; charset=utf-8", stored=stored, policy=policy)
        return f"{recorder.page_origin}{path}"

    @property
    def scripts(self) -> tuple[str, ...]:
        """The paths of the scripts in each page, in order: the tracker's, and its shim's."""
        return (TRACKER_PATH, SHIM_PATH) if self.setup.options.shim else (TRACKER_PATH,)

    def _snippet(self, endpoint: str, origin: str, *, domain: str, nonce: str) -> str:
        site = html.escape(domain or self.setup.options.domain)
        data = f'data-domain="{site}" data-api="{html.escape(endpoint)}"'
        if nonce:
            data += f' nonce="{html.escape(nonce)}"'
        return "".join(f'<script defer {data} src="{origin}{path}"></script>' for path in self.scripts)

    def events(
        self, token: str, number: int = 1, *, seconds: float | None = None, **wanted: Any
    ) -> list[Exchange]:
        """Wait for ``number`` requests of the tracker that carry the token; return those there are by then.

        Other things wanted are those of ``Recorder.wait``. A tracker that never delivered anything is waited
        for in full once, and shortly after that; but not a foreign one, whose batches come when they come.
        """
        patience = EVENT_SECONDS if seconds is None else seconds
        if self._nothing_came and not self.setup.options.shim:
            patience = min(patience, _SHORT_SECONDS)
        found = sent_events(self.recorder.wait(number, token=token, seconds=patience, **wanted))
        if number:
            self._nothing_came = not found and self._nothing_came is not False
        return found

    def stored(
        self, expected: Mapping[str, int], sentinel: str, *, within: str | None = None
    ) -> dict[str, list[StoredRow]]:
        """Read back the rows of each token of ``expected``, which says how many rows are awaited.

        ``within`` is what all of these tokens have in common, if more than the run's.

        Rows are polled for until each token has its number; what should not be stored is proved absent by the
        row of ``sentinel``, which was sent after everything else. ``expected`` is in the order of sending:
        raises Throttled if it was stored up to an event and hardly any more after it.
        """
        if self.readback is None:
            raise RuntimeError("there is no readback")
        deadline = time.monotonic() + (_SHORT_SECONDS if self._nothing_stored else ROW_SECONDS)
        wanted = {**expected, sentinel: 1}
        seen = 0.0
        while True:
            rows = _by_token(self._read(self.readback, within or self.setup.run), wanted)
            if rows[sentinel]:
                deadline = min(deadline, (seen := seen or time.monotonic()) + LATE_ROW_SECONDS)
            complete = all(len(rows[token]) >= number for token, number in wanted.items())
            if complete or time.monotonic() > deadline:
                if not rows[sentinel]:
                    require_unthrottled([bool(rows[token]) for token, number in expected.items() if number])
                self._nothing_stored = not any(rows.values()) and self._nothing_stored is not False
                return rows
            time.sleep(_POLL_SECONDS)

    def _read(self, readback: Readback, run: str) -> list[StoredRow]:
        """Return the rows of a readback. Raises TargetUnavailable, from then on at once."""
        if self._unreadable:
            raise self._unreadable.with_traceback(None)
        try:
            return readback.rows(run)
        except TargetUnavailable as error:
            self._unreadable = error
            raise


def sent_events(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Of requests that carry a token, those that are the tracker's: no preflight, no control of ours."""
    return [e for e in exchanges if e.method != "OPTIONS" and not e.path.startswith("/control/")]


def _by_token(rows: Iterable[StoredRow], tokens: Iterable[str]) -> dict[str, list[StoredRow]]:
    read = list(rows)
    return {token: [row for row in read if row.carries(token)] for token in tokens}
