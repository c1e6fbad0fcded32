"""Locust users that send events at a fixed rate: ``locust -f load/locustfile.py``.

The model is open: a request is due by schedule, not when the previous one has been answered. Each sender (a
Locust user) sends at even intervals, starting at a random moment of its first interval. Latency is measured
from the time a request was due (so there is no coordinated omission): a server that stalls for a second shows
that second in the latency of every request that became due meanwhile. Overdue requests are sent as soon as
their sender is free; a higher rate uses more senders.

Locust's statistics, web page and workers (``--processes``, ``--master``, ``--worker``) work as usual.
``clickport load`` runs this file and compares the journals that it writes with the stored rows.
"""

import json
import logging
import math
import secrets
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, cast

import gevent
from locust import FastHttpUser, LoadTestShape, events, runners, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser

from conformance.load.journal import Journal, begin_phase, clock, is_expected
from conformance.load.mix import BadMix, EventGenerator, GeneratedRequest, RequestKind, read
from conformance.load.plan import (
    DEFAULT_OBJECTIVE,
    DEFAULT_RATE,
    RemoteTarget,
    require_local,
    seconds_of,
)
from conformance.load.shapes import SETTLE_SECONDS, SHAPES, HeldRate, Want, shape
from conformance.protocol.browser_headers import TEXT, with_browser_headers
from conformance.results.verdict import Exit
from conformance.targets import Server

_NAMES = {RequestKind.EVENT: "event", RequestKind.PAGEVIEW: "pageview", RequestKind.MALFORMED: "malformed"}
_LOG = logging.getLogger(__name__)

# The shape judges steps of 5 s: Locust's default of a report every 3 s from each worker is too rare.
runners.WORKER_REPORT_INTERVAL = 0.5


class State:
    """The state that the senders of this process share: schedule, journal, headers and event generator."""

    def __init__(self, options: Namespace, host: str) -> None:
        name = secrets.token_hex(4)
        folder = Path(options.journal or tempfile.mkdtemp(prefix="clickport-load-"))
        self.url = Server(url=host, name=host).event_url
        self.random = Random(f"{options.seed} {options.shape}")  # noqa: S311 - traffic, not secrets
        self.interval = 0.0 if options.shape == "flood" else options.senders / options.rate
        self.journal = Journal(folder, name)
        # The headers of a browser (WIRE-5).
        self.headers = with_browser_headers({"Content-Type": TEXT}, options.domain)
        self.generator = EventGenerator(
            read(Path(options.mix) if options.mix else None),
            run=options.run or f"cp{secrets.token_hex(4)}",
            name=name,
            seed=options.seed,
            envelope=json.loads(options.envelope),
        )


_states: dict[Environment, State] = {}


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _options(parser: LocustArgumentParser) -> None:
    add = parser.add_argument_group("clickport").add_argument
    add("--rate", type=float, default=DEFAULT_RATE, help="Requests a second; for a ramp, in its first step")
    add("--shape", choices=list(SHAPES), default="constant", help="How the rate changes")
    add("--for", dest="duration", type=seconds_of, default=60.0, help="How long: 90s, 10m, 1h")
    add("--senders", type=int, default=0, help="Senders that share the (first) rate (default: rate / 10)")
    add("--objective-p95", type=seconds_of, default=DEFAULT_OBJECTIVE, help="Highest p95 of a ramp: 50ms")
    add("--mix", default="", help="The TOML file of events to send (default: load/mix.toml)")
    add("--seed", type=int, default=0, help="The same seed draws the same requests")
    add("--domain", default="example.com", help="The site named in Origin and Referer")
    add("--allow-host", action="append", default=[], help="A remote host that may be loaded")
    add("--envelope", default="{}", help="Extra members of each payload, as JSON")
    add("--run", default="", help="The token of the run: the first part of each nonce")
    add("--journal", default="", help="The folder for the journals (default: a temporary one)")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _prepare(environment: Environment, **_: Any) -> None:
    if options := environment.parsed_options:
        options.senders = options.senders or max(1, math.ceil(options.rate / 10))


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _begin(environment: Environment, **_: Any) -> None:
    options, host = environment.parsed_options, environment.host or ""
    assert options
    try:
        require_local(host, options.allow_host)
        if not isinstance(environment.runner, runners.MasterRunner):
            _states[environment] = State(options, host)
    except (RemoteTarget, BadMix, ValueError, OSError) as error:
        _LOG.error("%s", error)
        environment.process_exit_code = int(Exit.USAGE)
        if environment.runner:
            environment.runner.quit()


class Visitor(FastHttpUser):
    """A sender with a schedule of its own: it sends pageviews and events, each when it is due."""

    network_timeout = 30.0
    connection_timeout = 10.0

    def on_start(self) -> None:
        """Start at a random moment of the first interval, so that senders do not send in step."""
        if self.environment not in _states:
            raise StopUser
        self._shared = _states[self.environment]
        self._due = clock() + self._shared.random.random() * self._shared.interval
        self._requests: Iterator[GeneratedRequest] = iter(self._shared.generator.visit())
        gevent.sleep(max(0.0, self._due - clock()))

    def wait_time(self) -> float:
        """Return the seconds until the next request is due; 0 if it is overdue."""
        return max(0.0, self._due - clock())

    @task
    def send(self) -> None:
        """Send the request that is due and write the answer to the journal."""
        due = self._due if self._shared.interval else clock()
        self._due = due + self._shared.interval
        generated = next(self._requests)
        sent = clock()
        with self.client.post(
            self._shared.url,
            data=cast("str", generated.body),  # Annotated as str; bytes are accepted, too.
            headers=self._shared.headers,
            name=_NAMES[generated.kind],
            catch_response=True,
            allow_redirects=False,
        ) as response:
            done = clock()
            status = response.status_code
            fine = is_expected(generated.kind, status)
            text = "" if fine else str(response.text or response.error if status else response.error)
            self._shared.journal.add(
                generated.kind, generated.number, status, due=due, sent=sent, done=done, text=text
            )
            response.request_meta["response_time"] = (done - due) * 1000
            if fine:
                response.success()
            else:
                response.failure(f"{status or 'no answer'}: {text[:80]}")


class Arrivals(LoadTestShape):
    """The load shape: once a second, the number of senders for the rate that is due."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape: Any = None
        self._last: Want | None = None
        self._changed = 0.0
        self._base: tuple[Counter[int], int, int] | None = None

    def tick(self) -> tuple[int, float] | None:
        """Return the number of senders wanted now (twice: Locust's spawn rate); None ends the run."""
        assert self.runner
        options = self.runner.environment.parsed_options
        assert options
        if self._shape is None:
            self._shape = shape(
                options.shape, rate=options.rate, seconds=options.duration, objective=options.objective_p95
            )
        now = self.get_run_time()  # type: ignore[no-untyped-call]
        if self._base is None and now - self._changed >= SETTLE_SECONDS:
            self._base = self._totals()
        want = self._shape.want(now, self._seen)
        if want is None:
            return None
        if want != self._last:
            self._last, self._changed, self._base = want, now, None
            if options.journal:
                begin_phase(Path(options.journal), want.rate, want.phase)
        number = options.senders
        if options.shape != "flood":
            number = max(1, round(want.rate * options.senders / options.rate))
        return number, number

    def _totals(self) -> tuple[Counter[int], int, int]:
        assert self.runner
        total = self.runner.stats.total
        return Counter(total.response_times), total.num_failures, total.num_requests

    def _seen(self) -> HeldRate:
        times, failures, requests = self._totals()
        before, failures_before, requests_before = self._base or (Counter[int](), 0, 0)
        times.subtract(before)
        number, left = requests - requests_before, 0.95 * (requests - requests_before)
        p95 = math.inf
        for milliseconds in sorted(times):
            left -= times[milliseconds]
            if left <= 0:
                p95 = milliseconds / 1000
                break
        return HeldRate(p95=p95, errors=failures - failures_before, requests=number)
