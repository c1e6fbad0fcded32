"""Preparation of a run before its checks: start the targets, find the browsers, choose the run's token."""

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

from conformance.browsers import BROWSERS, Installed, Trusted, find, installed, unusable
from conformance.harness.options import OPTION_NAMES, Options, UsageError
from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.requirements import Lane
from conformance.protocol.transport import DEFAULT_PROTOCOL
from conformance.readback import ClickHouseReadback, CommandReadback, Readback, UrlReadback
from conformance.recorder import BadMapping, PayloadMapping, write_certificate
from conformance.results.record import RunInfo
from conformance.results.redaction import Redaction
from conformance.targets import Server, load_shim, load_tracker
from conformance.targets.server import (
    EVENT_PATH,
    bundled_server,
    server_at,
    server_by_app,
    server_by_command,
    servers_at,
)

BROWSER_LANES = {Lane.TRACKER, Lane.PAIR, Lane.DASHBOARD}
SERVER_LANES = {Lane.SERVER, Lane.PAIR, Lane.DASHBOARD}


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Options and targets of a run: plain data, so that it can be passed to worker processes.

    ``run`` is the token prefix of all its events, ``since`` a time (ISO 8601) before the first of them.
    ``shrinking`` is the path of the file in which the processes add up the time spent on shrinking.
    ``unusable`` are the browsers that are installed and cannot be driven, each with the reason.
    ``certificate`` is the path of the run's certificate and key for TLS, and ``key_hash`` what browsers need
    to trust it; both are empty without TLS.
    """

    options: Options
    run: str
    since: str
    server: Server | None = None
    browsers: tuple[Installed, ...] = ()
    shrinking: str = ""
    unusable: tuple[tuple[str, str], ...] = ()
    certificate: str = ""
    key_hash: str = ""

    def token(self, case_id: str, browser: str | None = None) -> str:
        """Return the token that identifies the events of a case: 19 lower-case letters and digits."""
        return f"{self.run}{sha256(f'{case_id} {browser}'.encode()).hexdigest()[:8]}e"

    @cached_property
    def redaction(self) -> Redaction:
        """The redaction of the options' secrets, to be applied to everything that is printed or stored."""
        return Redaction.of({name: getattr(self.options, name) for name in OPTION_NAMES})

    @property
    def trusted(self) -> Trusted | None:
        """The certificate that browsers must trust, or None without TLS."""
        return Trusted(file=self.certificate, key_hash=self.key_hash) if self.certificate else None

    @property
    def envelope(self) -> Mapping[str, Any]:
        """The fields that the server requires in each payload in addition to the documented ones."""
        return self.options.envelope_fields or (self.server.envelope if self.server else {})

    @property
    def viewers(self) -> tuple[Installed, ...]:
        """The browsers for the dashboard's pages: those that were named, or else only the first one.

        The figures on a page do not depend on the engine.
        """
        return self.browsers if self.options.browser else self.browsers[:1]

    @property
    def dashboard(self) -> str:
        """The base URL of the dashboard and its API, without a trailing slash."""
        assert self.server
        return (self.options.dashboard or self.server.url.removesuffix(EVENT_PATH)).rstrip("/")

    def readback(self) -> Readback | None:
        """Return a new readback of stored rows, or None if the run has none."""
        options, server = self.options, self.server
        port = server.port if server else None
        if options.readback_url:
            return UrlReadback(options.readback_url, since=self.since, port=port)
        if options.readback_cmd:
            return CommandReadback(options.readback_cmd, since=self.since, port=port)
        clickhouse = options.clickhouse or (server.clickhouse if server else None)
        return ClickHouseReadback(clickhouse, options.table) if clickhouse else None

    def info(self) -> RunInfo:
        """Return the first line of the run record, with secrets redacted."""
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
            requirement_set=self.options.requirement_set,
            unusable=tuple({"name": name, "reason": why} for name, why in self.unusable),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the context as plain data for a worker process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the context that ``to_json`` converted."""
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
            unusable=tuple((name, why) for name, why in data["unusable"]),
            certificate=data["certificate"],
            key_hash=data["key_hash"],
        )


@contextmanager
def prepare(options: Options) -> Iterator[RunContext]:
    """Start the targets and find the browsers; stop the targets on exit.

    Raises TargetUnavailable or BrowserMissing if no verdict is possible, and UsageError if the shim or the
    payload module cannot be loaded.
    """
    lanes = set(options.lanes)
    browsers: tuple[Installed, ...] = ()
    cannot: tuple[tuple[str, str], ...] = ()
    if lanes & BROWSER_LANES:
        load_tracker(options.tracker)
        _require_foreign(options)
        browsers = tuple(map(find, options.browser)) or installed()
        others = set(BROWSERS) - {browser.name for browser in browsers} if not options.browser else set()
        cannot = tuple((name, why) for name in sorted(others) if (why := unusable(name)))
    with ExitStack() as stack:
        server = stack.enter_context(_server(options)) if lanes & SERVER_LANES else None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-"))
        tls = lanes & BROWSER_LANES and options.protocol != DEFAULT_PROTOCOL
        certificate = Path(folder, "certificate.pem")
        key_hash = write_certificate(certificate) if tls else ""
        yield RunContext(
            options=options,
            run=f"cp{secrets.token_hex(4)}",
            since=_a_minute_ago(),
            server=server,
            browsers=browsers,
            unusable=cannot,
            shrinking=str(Path(folder, "shrinking")),
            certificate=str(certificate) if tls else "",
            key_hash=key_hash,
        )


def _require_foreign(options: Options) -> None:
    """Raise UsageError unless the shim and the payload module of a foreign tracker can be loaded."""
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
    """Return the UTC time one minute ago (ISO 8601): before any row of this run, even if clocks differ."""
    return (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds").replace("+00:00", "Z")


def _server(options: Options) -> AbstractContextManager[Server]:
    if options.server:
        return servers_at(options.server) if "," in options.server else server_at(options.server)
    if options.server_cmd:
        return server_by_command(options.server_cmd)
    if options.server_app:
        return server_by_app(options.server_app)
    return bundled_server(options.domain)
