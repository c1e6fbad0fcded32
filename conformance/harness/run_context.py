"""Makes ready what a run needs, before any check: targets started, browsers found, one token for the run."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from conformance.browsers import Installed, find, installed
from conformance.harness.options import OPTION_NAMES, Options, UsageError
from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.requirements import Lane
from conformance.readback import ClickHouseReadback, CommandReadback, Readback, UrlReadback
from conformance.recorder import BadMapping, PayloadMapping
from conformance.results.record import RunInfo
from conformance.results.redaction import Redaction
from conformance.targets import Server, load_shim, load_tracker
from conformance.targets.server import EVENT_PATH, bundled_server, server_at, server_by_app, server_by_command

BROWSER_LANES = {Lane.TRACKER, Lane.PAIR, Lane.DASHBOARD}
SERVER_LANES = {Lane.SERVER, Lane.PAIR, Lane.DASHBOARD}


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Options and targets of a run, for each of its processes; plain data, so that workers can be given it.

    ``shrinking`` is the path of the file in which they account for the time that they take to shrink.
    """

    options: Options
    run: str
    since: str
    server: Server | None = None
    browsers: tuple[Installed, ...] = ()
    shrinking: str = ""

    def token(self, case_id: str, browser: str | None = None) -> str:
        """The token by which a case's events are told from all others: 19 lower-case letters and digits."""
        return f"{self.run}{sha256(f'{case_id} {browser}'.encode()).hexdigest()[:8]}e"

    @cached_property
    def redaction(self) -> Redaction:
        """The secrets of the options, which nothing that is written down may hold."""
        return Redaction.of({name: getattr(self.options, name) for name in OPTION_NAMES})

    @property
    def envelope(self) -> Mapping[str, Any]:
        """The fields that the server demands in each payload beside the documented ones."""
        return self.options.envelope_fields or (self.server.envelope if self.server else {})

    @property
    def viewers(self) -> tuple[Installed, ...]:
        """The browsers in which a dashboard is looked at: what it shows is no matter of the engine."""
        return self.browsers if self.options.browser else self.browsers[:1]

    @property
    def dashboard(self) -> str:
        """Where the dashboard and its API are."""
        assert self.server
        return (self.options.dashboard or self.server.url.removesuffix(EVENT_PATH)).rstrip("/")

    def readback(self) -> Readback | None:
        """A new connection to where stored rows are read, or None when no readback was given."""
        options, server = self.options, self.server
        port = server.port if server else None
        if options.readback_url:
            return UrlReadback(options.readback_url, since=self.since, port=port)
        if options.readback_cmd:
            return CommandReadback(options.readback_cmd, since=self.since, port=port)
        clickhouse = options.clickhouse or (server.clickhouse if server else None)
        return ClickHouseReadback(clickhouse, options.table) if clickhouse else None

    def info(self) -> RunInfo:
        """The first line of the run record."""
        readback = self.readback()
        target = {
            "tracker": self.options.tracker or ("bundled reference tracker" if self.options.bundled else ""),
            "server": self.server.name if self.server else "",
            "readback": readback.name if readback else "",
        }
        return RunInfo(
            target=self.redaction.data({kind: name for kind, name in target.items() if name}),
            lanes=self.options.lanes,
            browsers=tuple({"name": b.name, "version": b.version} for b in self.browsers),
            options=self.redaction.data(self.options.given()),
            known=self.options.known,
            waivers=self.options.waivers,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a worker process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The reverse of ``to_json``."""
        options: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data["options"].items()
        }
        return cls(
            options=Options(**options),
            run=data["run"],
            since=data["since"],
            server=Server(**data["server"]) if data["server"] else None,
            browsers=tuple(Installed(**browser) for browser in data["browsers"]),
            shrinking=data["shrinking"],
        )


@contextmanager
def prepare(options: Options) -> Iterator[RunContext]:
    """Start the targets and find the browsers; stop the targets at the end.

    Raises TargetUnavailable or BrowserMissing when there can be no verdict, and UsageError for a shim or a
    payload module that is none.
    """
    lanes = set(options.lanes)
    browsers: tuple[Installed, ...] = ()
    if lanes & BROWSER_LANES:
        load_tracker(options.tracker)
        _require_foreign(options)
        browsers = tuple(map(find, options.browser)) or installed()
    with ExitStack() as stack:
        server = stack.enter_context(_server(options)) if lanes & SERVER_LANES else None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-"))
        yield RunContext(
            options=options,
            run=f"cp{secrets.token_hex(4)}",
            since=_a_minute_ago(),
            server=server,
            browsers=browsers,
            shrinking=str(Path(folder, "shrinking")),
        )


def _require_foreign(options: Options) -> None:
    """Require that what maps a foreign tracker is there. Raises UsageError."""
    try:
        if options.shim:
            load_shim(options.shim)
    except TargetUnavailable as error:
        raise UsageError(f"--shim: {error}") from error
    try:
        if options.payload:
            PayloadMapping(options.payload)
    except BadMapping as error:
        raise UsageError(f"--payload: {error}") from error


def _a_minute_ago() -> str:
    """A moment before anything of this run is stored, allowing for clocks that differ: ISO 8601, UTC."""
    return (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds").replace("+00:00", "Z")


def _server(options: Options) -> AbstractContextManager[Server]:
    if options.server:
        return server_at(options.server)
    if options.server_cmd:
        return server_by_command(options.server_cmd)
    if options.server_app:
        return server_by_app(options.server_app)
    return bundled_server(options.domain)
