"""The options of a run: one table for the command line, the pytest plugin and the configuration file."""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.browsers import BROWSERS
from conformance.protocol.requirement_sets import UnknownSet, current_set, require_released
from conformance.protocol.requirements import Lane
from conformance.protocol.tables import TABLE
from conformance.protocol.transport import DEFAULT_PROTOCOL
from conformance.recorder import PROTOCOLS
from conformance.results import counterexamples as store
from conformance.results.baseline import BadBaseline, KnownFailure, read
from conformance.results.redaction import (
    CLICKHOUSE_PASSWORD,
    CLICKHOUSE_USER,
    DASHBOARD_KEY,
    masked,
    shell_word,
)
from conformance.results.waivers import BadWaiver, Waiver, parse

_SHARD = re.compile(r"(\d{1,4})/(\d{1,4})")


class UsageError(ValueError):
    """An invalid option or combination of options: exit code 2."""


def _option(help_: str, **more: Any) -> Any:
    default = () if more.get("multiple") else more.get("default")
    return field(default=default, metadata={"help": help_, **more})


def _number(help_: str, *, default: int) -> Any:
    return _option(help_, default=default, metavar="N", number=True)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a run; a field is ``--name`` of ``clickport check`` and ``--clickport-name`` of pytest."""

    tracker: str | None = _option("Tracker under test: a path or URL of the script.", metavar="FILE|URL")
    shim: str | None = _option(
        "Load this script after a foreign tracker; it makes clickport.track call that tracker.",
        metavar="FILE",
    )
    payload: str | None = _option(
        "Python file or module whose payloads(request) reads the requests of a foreign tracker.",
        metavar="MODULE",
    )
    server: str | None = _option(
        "Server under test, already running; repeat it for nodes that get connections in turn.",
        metavar="URL",
        joined=True,
    )
    server_cmd: str | None = _option(
        "Server under test: a command that starts it; {port} is replaced by a free port.", metavar="CMD"
    )
    server_app: str | None = _option(
        "Server under test: the import path of a WSGI application.", metavar="PKG:APP"
    )
    clickhouse: str | None = _option(
        "Read stored rows from this ClickHouse, with the credentials in the URL or in "
        f"{CLICKHOUSE_USER} and {CLICKHOUSE_PASSWORD}.",
        metavar="URL",
    )
    table: str = _option("Table that --clickhouse reads.", default="events", metavar="NAME")
    readback_url: str | None = _option(
        "Read stored rows as JSON lines from a URL; {since} (ISO 8601) and {port} are replaced.",
        metavar="URL",
    )
    readback_cmd: str | None = _option(
        "Read stored rows as JSON lines from the output of a command; {since} (ISO 8601) and {port} are "
        "replaced.",
        metavar="CMD",
    )
    dashboard: str | None = _option(
        "Check the dashboard lane too, on the dashboard and its API at this URL.", metavar="URL"
    )
    dashboard_key: str | None = _option(
        f"Key for the dashboard, sent as x-api-key.  [default: the value of {DASHBOARD_KEY}]",
        metavar="KEY",
        secret=True,
    )
    envelope: str | None = _option(
        "Additional fields that the server requires in each payload, as a JSON object.", metavar="JSON"
    )
    domain: str = _option(
        "Domain of the site: the value of data-domain in the snippet.", default="example.com"
    )
    lane: tuple[str, ...] = _option(
        "Check this lane only (repeatable; default: every lane that the targets allow).",
        multiple=True,
        choices=("tracker", "server", "pair", "dashboard"),
    )
    browser: tuple[str, ...] = _option(
        "Use this browser (repeatable; default: every installed browser).", multiple=True, choices=BROWSERS
    )
    only: tuple[str, ...] = _option(
        "Run only the cases whose id or requirement matches (repeatable).", multiple=True, metavar="GLOB"
    )
    skip: tuple[str, ...] = _option(
        "Skip the cases whose id or requirement matches (repeatable).", multiple=True, metavar="GLOB"
    )
    shard: str | None = _option(
        "Run only the K-th of N parts of the cases; the part of a case depends only on its id.",
        metavar="K/N",
    )
    require_all: bool = _option(
        "Let the verdict cover every MUST of the lanes: those that --only, --skip or --shard leave out count "
        "as not verified.",
        default=False,
        flag=True,
    )
    requirements: str | None = _option(
        "Requirement set that the verdict is about; cases of later sets are shown as upcoming.  "
        "[default: the current set]",
        metavar="SET",
    )
    waive: tuple[str, ...] = _option(
        "Accept that this requirement cannot be verified, for the given reason: "
        'QUOTA-1="no usage API" (repeatable).',
        multiple=True,
        metavar="ID=REASON",
        tables=("requirement", "reason"),
    )
    baseline: str | None = _option(
        "File of known failures, as written by `clickport baseline write`.", metavar="FILE"
    )
    max_examples: int = _number(
        "Number of examples generated in each lane in addition to the vectors; 0 for none.", default=200
    )
    shrink_seconds: int = _number(
        "Seconds spent on shrinking counterexamples, in the whole run and by all its jobs together.",
        default=60,
    )
    seed: int = _number(
        "Seed of the generated examples: the same seed generates the same examples.", default=0
    )
    counterexamples: str = _option(
        "File in which counterexamples are stored; the next run tries them first.",
        default="clickport-counterexamples.jsonl",
        metavar="FILE",
    )
    fuzz_seconds: int = _number(
        "Generate examples for this many seconds in each lane, instead of a fixed number; 0 for off.",
        default=0,
    )
    protocol: str = _option(
        "HTTP version of pages and endpoint in browsers: http1 (without TLS), http1-tls, or http2 (over TLS, "
        "with a certificate made for the run).",
        default=DEFAULT_PROTOCOL,
        choices=PROTOCOLS,
    )
    repeat: int = _number(
        "Number of times that each exit (way to leave a page) is tried; 50 for a certificate.", default=1
    )
    first_failure: bool = _option(
        "Skip the remaining cases of a requirement once one of them has failed in the same lane.",
        default=False,
        flag=True,
    )
    strict: bool = _option("Count a failing SHOULD as a violation too.", default=False, flag=True)

    def __post_init__(self) -> None:
        """Raise UsageError if an option is invalid, or if options contradict each other."""
        self._at_most_one("server", "server_cmd", "server_app")
        for name in ("shim", "payload"):
            if getattr(self, name) and not self.tracker:
                raise UsageError(f"--{name} needs a tracker of yours: name it with --tracker FILE")
        self._at_most_one("clickhouse", "readback_url", "readback_cmd")
        for name, least in _LEAST.items():
            _require_number(name, getattr(self, name), least)
        for name in ("clickhouse", "dashboard"):
            _require_url(name, getattr(self, name))
        _require_servers(self.servers)
        for name in ("server_cmd", "readback_cmd"):
            _require_words(name, getattr(self, name))
        if self.server_cmd and "{port}" not in self.server_cmd:
            raise UsageError(
                "--server-cmd must contain {port}, which is replaced by a free port, such as "
                "'./ingest --port {port}'; for a server that is already running use --server URL"
            )
        if not TABLE.fullmatch(self.table):
            raise UsageError(f"--table must be a name such as events or database.events (got {self.table!r})")
        if (
            not self.server_cmd
            and not self.server_app
            and "{port}" in f"{self.readback_url} {self.readback_cmd}"
        ):
            raise UsageError(
                "{port} in --readback-url and --readback-cmd is known only for a server started by "
                "--server-cmd or --server-app: write the port itself"
            )
        if self.has_readback and not self.has_server:
            raise UsageError(
                "a readback needs the server whose rows it reads: name it with --server or --server-cmd"
            )
        if (self.dashboard or self.dashboard_key) and not self.has_server:
            raise UsageError(
                "a dashboard needs the server whose events it shows: name it with --server or --server-cmd"
            )
        key = self.dashboard_key or os.environ.get(DASHBOARD_KEY, "")
        if not (key.isascii() and key.isprintable()):
            raise UsageError(
                f"--dashboard-key, or {DASHBOARD_KEY}, has characters that a header cannot carry: "
                "only printable ASCII is possible"
            )
        _require_protocol(self.protocol)
        _ = self.envelope_fields
        _ = self.known
        _ = self.waivers
        _ = self.part
        _ = self.requirement_set
        missing = [lane for lane in self.lanes if lane not in self.allowed_lanes]
        if missing:
            raise UsageError(f"--lane {missing[0]} needs {_NEEDS[missing[0]]}")

    @property
    def has_server(self) -> bool:
        """True if the user named a server to test."""
        return bool(self.server or self.server_cmd or self.server_app)

    @property
    def servers(self) -> tuple[str, ...]:
        """The URLs in ``server``."""
        return tuple(self.server.split(",")) if self.server else ()

    @property
    def has_readback(self) -> bool:
        """True if the user named a readback of stored rows."""
        return bool(self.clickhouse or self.readback_url or self.readback_cmd)

    @property
    def bundled(self) -> bool:
        """True if no target is named, so that the bundled reference is tested."""
        return not self.tracker and not self.has_server

    @property
    def allowed_lanes(self) -> tuple[Lane, ...]:
        """The lanes that the given targets allow."""
        allowed = {
            Lane.TRACKER: self.bundled or self.tracker,
            Lane.SERVER: self.bundled or self.has_server,
            Lane.PAIR: self.bundled or (self.tracker and self.has_server),
            Lane.DASHBOARD: self.bundled or self.has_server,
        }
        return tuple(lane for lane, given in allowed.items() if given)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes to check: those of ``lane``, or else all that the targets allow.

        By default the dashboard lane is included only for the bundled reference and with ``dashboard``.
        """
        if self.lane:
            return tuple(dict.fromkeys(map(Lane, self.lane)))
        named = self.bundled or self.dashboard
        return tuple(lane for lane in self.allowed_lanes if named or lane is not Lane.DASHBOARD)

    @cached_property
    def known(self) -> tuple[KnownFailure, ...]:
        """The entries of ``baseline``, read once. Raises UsageError if a file cannot be read."""
        try:
            kept = store.read(Path(self.counterexamples))
        except (store.BadStore, OSError) as error:
            raise UsageError(f"--counterexamples: {error}") from error
        try:
            found = {example.id for example in kept}
            return read(Path(self.baseline), counterexamples=found) if self.baseline else ()
        except BadBaseline as error:
            raise UsageError(f"--baseline: {error}") from error

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """The waivers in ``waive``. Raises UsageError if one is invalid."""
        try:
            return parse(self.waive)
        except BadWaiver as error:
            raise UsageError(f"--waive: {error}") from error

    @property
    def requirement_set(self) -> str:
        """The requirement set of the verdict. Raises UsageError if this version does not have it."""
        try:
            return require_released(self.requirements) if self.requirements else current_set()
        except UnknownSet as error:
            raise UsageError(f"--requirements: {error}") from error

    @property
    def part(self) -> tuple[int, int] | None:
        """The numbers (K, N) of ``shard``, or None. Raises UsageError unless 1 <= K <= N."""
        if self.shard is None:
            return None
        found = _SHARD.fullmatch(self.shard)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(f"--shard must be K/N, such as 1/4 for the first of four (got {self.shard!r})")
        return int(found[1]), int(found[2])

    @property
    def envelope_fields(self) -> Mapping[str, Any]:
        """The members of ``envelope``. Raises UsageError unless it is a JSON object."""
        if self.envelope is None:
            return {}
        try:
            members = json.loads(self.envelope)
        except ValueError as error:
            raise UsageError(f"{_ENVELOPE_FORM} ({error})") from error
        if not isinstance(members, dict):
            raise UsageError(_ENVELOPE_FORM)
        return members

    def given(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, without secret ones."""
        public = [f for f in fields(self) if not f.metadata.get("secret")]
        return {f.name: v for f in public if (v := getattr(self, f.name)) != f.default}

    def command_line(self, *names: str) -> list[str]:
        """Return the named options that differ from their defaults, as words of a shell command.

        A secret is replaced by its environment variable: ``"$CLICKPORT_DASHBOARD_KEY"``.
        """
        words = []
        for field_ in fields(self):
            value = getattr(self, field_.name)
            if field_.name not in names or value == field_.default:
                continue
            option = _flag(field_.name)
            if field_.metadata.get("secret"):
                words.append(f'{option} "${DASHBOARD_KEY}"')
            elif field_.metadata.get("flag"):
                words.append(option)
            else:
                joined = value.split(",") if field_.metadata.get("joined") else (value,)
                values = value if isinstance(value, tuple) else joined
                words += [f"{option} {shell_word(field_.name, str(each))}" for each in values]
        return words

    def _at_most_one(self, *names: str) -> None:
        given = [_flag(name) for name in names if getattr(self, name)]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other: give one")


def _flag(name: str) -> str:
    """Return an option as written on the command line: ``--max-examples`` for ``max_examples``."""
    return f"--{name.replace('_', '-')}"


def _require_url(name: str, url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # The port is not a number from 0 to 65535.
        fine = False
    if not fine:
        raise UsageError(f"{_flag(name)} must be a URL such as http://host:port (got {masked(url)!r})")


def _require_servers(urls: tuple[str, ...]) -> None:
    for url in urls:
        _require_url("server", url)
        if urls[1:] and (urlsplit(url).scheme != "http" or urlsplit(url).path.strip("/")):
            raise UsageError(f"each of several --server must be http://host:port (got {masked(url)!r})")


def _require_number(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{_flag(name)} must be {least} or more (got {value!r})")


def _require_protocol(name: str) -> None:
    if name not in PROTOCOLS:
        raise UsageError(f"--protocol must be one of {', '.join(PROTOCOLS)} (got {name!r})")


def _require_words(name: str, command: str | None) -> None:
    option = _flag(name)
    try:
        if command is not None and not shlex.split(command):
            raise UsageError(f"{option} is empty: write the command to run")
    except ValueError as error:
        raise UsageError(f"{option} is not a valid shell command: {error}") from error


_ENVELOPE_FORM = '--envelope must be a JSON object, such as \'{"d": "example.com"}\''
_LEAST = {"max_examples": 0, "shrink_seconds": 0, "repeat": 1, "seed": 0, "fuzz_seconds": 0}
_NEEDS = {
    Lane.TRACKER: "a tracker: --tracker FILE",
    Lane.SERVER: "a server: --server, --server-cmd or --server-app",
    Lane.PAIR: "a tracker and a server: --tracker and --server",
    Lane.DASHBOARD: "a server that the dashboard belongs to: --server, --server-cmd or --server-app",
    Lane.LOAD: "`clickport load`",
}

OPTION_NAMES = tuple(field.name for field in fields(Options))
