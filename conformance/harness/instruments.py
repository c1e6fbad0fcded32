"""The instruments of a worker process; each one starts on first use and stops with the session."""

import html
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from functools import cached_property
from itertools import count
from types import MappingProxyType
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
# Longest time for an event to reach the recorder, and for a row to reach its table ("within a few seconds").
EVENT_SECONDS = 5.0
ROW_SECONDS = 15.0
# Longest time after a later event or row has arrived: connections and batches may overtake each other.
LATE_EVENT_SECONDS = 1.5
LATE_ROW_SECONDS = 5.0
# Longest time if none of the events or rows that were awaited before has arrived.
_SHORT_SECONDS = 0.3
# The additional time for rows that were sent before one that has appeared.
_LATE_FACTOR = 3
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
        # The lanes in which a check was given an altered observation (see ``drivers/canary.py``).
        self.canaries: set[Lane] = set()
        # The server's treatment of plain events.
        self.patience = Patience()
        # The number of pages of each engine that broke while a case used them.
        self.broken: Counter[str] = Counter()
        # The cases that this process may be asked to check; None until pytest has collected them.
        self.collected: frozenset[str] | None = None
        # True once the user has ended an open-ended search, which also ends those of the remaining lanes.
        self.search_ended = False
        # The reason if rows cannot be read: a broken readback is not tried again for each case.
        self._unreadable: TargetUnavailable | None = None
        self._done: dict[Any, tuple[Any, Exception | None]] = {}
        # None until something was awaited; False for good once something has arrived.
        self._nothing_came: bool | None = None
        self._nothing_stored: bool | None = None

    def close(self) -> None:
        """Stop every instrument that was started."""
        self._stack.close()

    def selected(self, lane: Lane) -> list[Case]:
        """Return the cases of a lane that this process may check, so that nothing else is prepared."""
        options = self.setup.options
        cases, _ = select(lanes=[lane], only=options.only, skip=options.skip, part=options.part)
        return [case for case in cases if self.collected is None or case.id in self.collected]

    def once(self, do: "Callable[Concatenate[Instruments, P], T]", *args: P.args, **named: P.kwargs) -> T:
        """Call ``do(self, …)`` once per arguments; return its result, or raise its exception, every time."""
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
        """The recorder, which serves the tracker under test byte for byte, and its shim."""
        options = self.setup.options
        recorder = self._stack.enter_context(
            Recorder(options.payload, protocol=options.protocol, certificate=self.setup.certificate)
        )
        recorder.mount(TRACKER_PATH, load_tracker(options.tracker), "text/javascript")
        if options.shim:
            recorder.mount(SHIM_PATH, load_shim(options.shim), "text/javascript")
        return recorder

    @cached_property
    def readback(self) -> Readback | None:
        """The readback of stored rows, or None if the run has none."""
        return self.setup.readback()

    def tab(self, engine: str, *, frozen_pages: bool = False, lasting: bool = False) -> Tab:
        """Open a new tab, for a case that leaves its page or needs its own session storage.

        With ``frozen_pages`` the browser's back/forward cache is on. ``lasting`` is as for ``Browser.tab``.
        """
        return self.pictures.watch(self._browser(engine, frozen_pages=frozen_pages).tab(lasting=lasting))

    def shared_tab(self, engine: str) -> Tab:
        """Return the tab that cases use in turn, each with a newly loaded page."""
        if engine not in self._tabs:
            self._tabs[engine] = self.tab(engine, lasting=True)
        return self.pictures.show(self._tabs[engine])

    def _browser(self, engine: str, *, frozen_pages: bool = False) -> Browser:
        key = f"{engine} with frozen pages" if frozen_pages and engine in FREEZES_ON_REQUEST else engine
        if key not in self._browsers:
            installed = next(b for b in self.setup.browsers if b.name == engine)
            running = ExitStack()
            browser = running.enter_context(
                start(installed, frozen_pages=frozen_pages, trusted=self.setup.trusted)
            )
            self._stack.callback(running.close)
            self._browsers[key] = browser, running
        return self._browsers[key][0]

    def restart(self, engine: str) -> None:
        """Stop the engine's browsers, and with them what pages have left behind; the next use starts them."""
        self._tabs.pop(engine, None)
        for key in [key for key in self._browsers if key.startswith(engine)]:
            browser, running = self._browsers.pop(key)
            browser.spoiled = True
            running.close()

    def plain_origin(self, engine: str) -> str:
        """Return an origin of the recorder whose pages should not be a secure context in this engine.

        It is without TLS over every protocol. The caller has to confirm it in the page (``isSecureContext``).
        """
        return f"http://{PLAIN_HOSTS[engine]}:{self.recorder.plain_origin.rpartition(':')[2]}"

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
        headers: Mapping[str, str] = MappingProxyType({}),
        **values: str,
    ) -> str:
        """Mount a page made from a template in ``fixtures/pages`` and return its URL, a new one each time.

        In the template, ``{{name}}`` is replaced by that value, escaped for HTML, and ``{{snippet}}`` by the
        script tags of the tracker and its shim, with the value ``nonce`` if given. ``{{before}}`` becomes the
        script ``before``, which runs before the tracker.

        The tracker and its endpoint are cross-origin to the page, as with a hosted product. If the values
        include ``endpoint``, that endpoint is used and the scripts are same-origin, because a page gets the
        details of exceptions only from same-origin scripts. The browser may cache the page if ``stored``.
        ``domain`` replaces the run's domain in the snippet. ``headers`` are further headers of the page, such
        as a Content-Security-Policy.
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
        recorder.mount(path, body, "text/html; charset=utf-8", stored=stored, headers=headers)
        return f"{recorder.page_origin}{path}"

    @property
    def scripts(self) -> tuple[str, ...]:
        """The paths of the scripts in each page, in order: the tracker's, then its shim's if there is one."""
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
        """Wait for ``number`` requests of the tracker that carry the token; return those that have arrived.

        ``wanted`` are further conditions, as for ``Recorder.wait``. By default it waits up to 5 s. As long as
        nothing has ever arrived, only the first wait takes that long and later ones 0.3 s, unless a shim is
        in use: a foreign tracker may send in batches.
        """
        found = self.recorder.wait(number, token=token, sent=True, seconds=self._patience(seconds), **wanted)
        if number:
            self._nothing_came = not found and self._nothing_came is not False
        return found

    def events_of_each(
        self, numbers: Mapping[str, int], *, seconds: float | None = None
    ) -> dict[str, list[Exchange]]:
        """Wait until each token has its number of requests of the tracker; return those of each.

        The time is that of ``events``.
        """
        found = self.recorder.wait_each(numbers, seconds=self._patience(seconds))
        self._nothing_came = not any(found.values()) and self._nothing_came is not False
        return found

    def _patience(self, seconds: float | None) -> float:
        patience = EVENT_SECONDS if seconds is None else seconds
        short = self._nothing_came and not self.setup.options.shim
        return min(patience, _SHORT_SECONDS) if short else patience

    def stored(
        self, expected: Mapping[str, int], sentinel: str, *, within: str | None = None
    ) -> dict[str, list[StoredRow]]:
        """Read back the rows of each token; ``expected`` maps tokens, in the order of sending, to row counts.

        Polls until each token has its number of rows, or up to 15 s. The row of ``sentinel``, an event sent
        after all others, proves that missing rows are absent: once it is stored, the others get 5 s more, or
        three times as long as it took (at most 15 s), because a busy machine delays some rows more.
        ``within`` is a longer common prefix of the tokens than the run's, if there is one.

        Raises Throttled if the events were stored up to a point and hardly any after it.
        """
        if self.readback is None:
            raise RuntimeError("stored rows cannot be read: this run has no readback")
        began = time.monotonic()
        deadline = began + (_SHORT_SECONDS if self._nothing_stored else ROW_SECONDS)
        wanted = {**expected, sentinel: 1}
        seen = 0.0
        while True:
            asked = time.monotonic()
            rows = _by_token(self._read(self.readback, within or self.setup.run), wanted)
            if rows[sentinel]:
                seen = seen or time.monotonic()
                deadline = seen + max(LATE_ROW_SECONDS, min(_LATE_FACTOR * (seen - began), ROW_SECONDS))
            complete = all(len(rows[token]) >= number for token, number in wanted.items())
            if complete or time.monotonic() > deadline:
                if not rows[sentinel]:
                    require_unthrottled([bool(rows[token]) for token, number in expected.items() if number])
                self._nothing_stored = not any(rows.values()) and self._nothing_stored is not False
                return rows
            # Many rows take long to read: no more than half of the time is spent on it.
            time.sleep(max(_POLL_SECONDS, time.monotonic() - asked))

    def _read(self, readback: Readback, run: str) -> list[StoredRow]:
        """Return the rows of a readback. Raises TargetUnavailable, from then on at once."""
        if self._unreadable:
            raise self._unreadable.with_traceback(None)
        try:
            return readback.rows(run)
        except TargetUnavailable as error:
            self._unreadable = error
            raise


def _by_token(rows: Iterable[StoredRow], tokens: Iterable[str]) -> dict[str, list[StoredRow]]:
    read = list(rows)
    return {token: [row for row in read if row.carries(token)] for token in tokens}
