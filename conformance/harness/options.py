"""The options of a run: one table for the command line, the pytest plugin and the configuration file."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.browsers import BROWSERS
from conformance.protocol.requirements import Lane
from conformance.protocol.tables import TABLE
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
    """An option, or a combination of options, that cannot be meant: exit code 2."""


def _option(help_: str, **more: Any) -> Any:
    default = () if more.get("multiple") else more.get("default")
    return field(default=default, metadata={"help": help_, **more})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to check and how: each field is ``--name`` of the command, ``--clickport-name`` of pytest."""

    tracker: str | None = _option("Tracker under test: a path or URL of the script.", metavar="FILE|URL")
    shim: str | None = _option(
        "Put this script after a tracker that is no Clickport tracker: it makes clickport.track call it.",
        metavar="FILE",
    )
    payload: str | None = _option(
        "Read that tracker's requests by payloads(request) of this Python file or module.", metavar="MODULE"
    )
    server: str | None = _option("Server under test, already running.", metavar="URL")
    server_cmd: str | None = _option(
        "Server under test: a command that starts it; {port} is filled in.", metavar="CMD"
    )
    server_app: str | None = _option(
        "Server under test: a WSGI application by import path.", metavar="PKG:APP"
    )
    clickhouse: str | None = _option(
        "Read stored rows from this ClickHouse; its credentials are in the URL, or in "
        f"{CLICKHOUSE_USER} and {CLICKHOUSE_PASSWORD}.",
        metavar="URL",
    )
    table: str = _option("The table that --clickhouse reads.", default="events", metavar="NAME")
    readback_url: str | None = _option(
        "Read stored rows as JSON lines from a URL; {since} and {port} are filled in.", metavar="URL"
    )
    readback_cmd: str | None = _option(
        "Read stored rows as JSON lines from a command; {since} and {port} are filled in.", metavar="CMD"
    )
    dashboard: str | None = _option(
        "Check the dashboard lane too: the dashboard and its API are here.", metavar="URL"
    )
    dashboard_key: str | None = _option(
        f"The key that the dashboard wants, sent as x-api-key.  [default: that in {DASHBOARD_KEY}]",
        metavar="KEY",
        secret=True,
    )
    envelope: str | None = _option("Extra fields that the server demands in each payload.", metavar="JSON")
    domain: str = _option("The site's domain: data-domain of the snippet.", default="example.com")
    lane: tuple[str, ...] = _option(
        "Check this lane only (repeatable; default: all that the targets allow).",
        multiple=True,
        choices=("tracker", "server", "pair", "dashboard"),
    )
    browser: tuple[str, ...] = _option(
        "Use this browser (repeatable; default: every one installed).", multiple=True, choices=BROWSERS
    )
    only: tuple[str, ...] = _option(
        "Run only these case or requirement ids (repeatable).", multiple=True, metavar="GLOB"
    )
    skip: tuple[str, ...] = _option(
        "Leave out these case or requirement ids (repeatable).", multiple=True, metavar="GLOB"
    )
    shard: str | None = _option(
        "Run only the K-th of N parts of the cases; which part a case is in depends on its id alone.",
        metavar="K/N",
    )
    require_all: bool = _option(
        "Let the verdict be about every MUST of the lanes: one that --only, --skip or --shard leaves out was "
        "not verified.",
        default=False,
        flag=True,
    )
    waive: tuple[str, ...] = _option(
        "Accept that this requirement cannot be verified, for the reason given, such as "
        'QUOTA-1="no usage API" (repeatable).',
        multiple=True,
        metavar="ID=REASON",
        tables=("requirement", "reason"),
    )
    baseline: str | None = _option(
        "Known failures: a file that `clickport baseline write` makes.", metavar="FILE"
    )
    max_examples: int = _option(
        "Examples that are drawn in each lane, beside the vectors; 0 draws none.",
        default=200,
        metavar="N",
        number=True,
    )
    shrink_seconds: int = _option(
        "Seconds of a whole run, all its jobs together, to make what broke something smaller.",
        default=60,
        metavar="N",
        number=True,
    )
    seed: int = _option(
        "Where drawing begins: the same seed draws the same.", default=0, metavar="N", number=True
    )
    counterexamples: str = _option(
        "Where examples that broke something are kept, to be tried first the next time.",
        default="clickport-counterexamples.jsonl",
        metavar="FILE",
    )
    fuzz_seconds: int = _option(
        "Draw for so many seconds a lane instead.", default=0, metavar="N", number=True
    )
    repeat: int = _option(
        "Leave the page so many times in each way; 50 for a certificate.", default=1, metavar="N", number=True
    )
    first_failure: bool = _option(
        "Leave out what else there is of a requirement once a case of it has failed in its lane.",
        default=False,
        flag=True,
    )
    strict: bool = _option("A failing SHOULD is a violation too.", default=False, flag=True)

    def __post_init__(self) -> None:
        """Raise UsageError for what contradicts itself."""
        self._at_most_one("server", "server_cmd", "server_app")
        for name in ("shim", "payload"):
            if getattr(self, name) and not self.tracker:
                raise UsageError(f"--{name} is about a tracker of yours: name it too, with --tracker FILE")
        self._at_most_one("clickhouse", "readback_url", "readback_cmd")
        for name, least in _LEAST.items():
            _require_number(name, getattr(self, name), least)
        for name in ("server", "clickhouse", "dashboard"):
            _require_url(name, getattr(self, name))
        for name in ("server_cmd", "readback_cmd"):
            _require_words(name, getattr(self, name))
        if self.server_cmd and "{port}" not in self.server_cmd:
            raise UsageError(
                "--server-cmd does not say where the free port goes: write {port} into it, such as "
                "'./ingest --port {port}'; for a server that runs already use --server URL"
            )
        if not TABLE.fullmatch(self.table):
            raise UsageError(f"--table {self.table!r} is no name of a table: write events or database.events")
        if (
            not self.server_cmd
            and not self.server_app
            and "{port}" in f"{self.readback_url} {self.readback_cmd}"
        ):
            raise UsageError(
                "{port} in a readback is that of a server started by --server-cmd: name the port"
            )
        if self.has_readback and not self.has_server:
            raise UsageError(
                "a readback says what a server stored: name the server too, with --server or --server-cmd"
            )
        if (self.dashboard or self.dashboard_key) and not self.has_server:
            raise UsageError(
                "a dashboard shows what a server took: name the server too, with --server or --server-cmd"
            )
        _ = self.envelope_fields
        _ = self.known
        _ = self.waivers
        _ = self.part
        missing = [lane for lane in self.lanes if lane not in self.allowed_lanes]
        if missing:
            raise UsageError(f"--lane {missing[0]} needs {_NEEDS[missing[0]]}")

    @property
    def has_server(self) -> bool:
        """Whether a server of the user's is under test."""
        return bool(self.server or self.server_cmd or self.server_app)

    @property
    def has_readback(self) -> bool:
        """Whether a way to read stored rows is given."""
        return bool(self.clickhouse or self.readback_url or self.readback_cmd)

    @property
    def bundled(self) -> bool:
        """Whether the bundled reference is under test: nobody named a target."""
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
        """The lanes to check: those chosen, or all, a dashboard of the user's only where it is named."""
        if self.lane:
            return tuple(dict.fromkeys(map(Lane, self.lane)))
        named = self.bundled or self.dashboard
        return tuple(lane for lane in self.allowed_lanes if named or lane is not Lane.DASHBOARD)

    @property
    def known(self) -> tuple[KnownFailure, ...]:
        """The known failures of ``baseline``. Raises UsageError for a file that cannot be read."""
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
        """The waivers that ``waive`` says. Raises UsageError for one that cannot be meant."""
        try:
            return parse(self.waive)
        except BadWaiver as error:
            raise UsageError(f"--waive: {error}") from error

    @property
    def part(self) -> tuple[int, int] | None:
        """The numbers K and N of ``shard``. Raises UsageError."""
        if self.shard is None:
            return None
        found = _SHARD.fullmatch(self.shard)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(f"--shard {self.shard!r} is no part of a whole: write 1/4 for the first of four")
        return int(found[1]), int(found[2])

    @property
    def envelope_fields(self) -> Mapping[str, Any]:
        """The members of ``envelope``. Raises UsageError when it is no JSON object."""
        if self.envelope is None:
            return {}
        try:
            members = json.loads(self.envelope)
        except ValueError as error:
            raise UsageError(f"--envelope is no JSON: {error}") from error
        if not isinstance(members, dict):
            raise UsageError('--envelope must be a JSON object, such as \'{"d": "example.com"}\'')
        return members

    def given(self) -> dict[str, Any]:
        """The options that differ from their defaults, as far as they may be told."""
        told = [f for f in fields(self) if not f.metadata.get("secret")]
        return {f.name: v for f in told if (v := getattr(self, f.name)) != f.default}

    def command_line(self, *names: str) -> list[str]:
        """Return those of the named options that are given, as words of a shell command.

        A secret is replaced by the environment variable that is to hold it: ``"$CLICKPORT_DASHBOARD_KEY"``.
        """
        words = []
        for field_ in fields(self):
            value = getattr(self, field_.name)
            if field_.name not in names or value == field_.default:
                continue
            option = f"--{field_.name.replace('_', '-')}"
            if field_.metadata.get("secret"):
                words.append(f'{option} "${DASHBOARD_KEY}"')
            elif field_.metadata.get("flag"):
                words.append(option)
            else:
                values = value if isinstance(value, tuple) else (value,)
                words += [f"{option} {shell_word(field_.name, str(each))}" for each in values]
        return words

    def _at_most_one(self, *names: str) -> None:
        given = [f"--{name.replace('_', '-')}" for name in names if getattr(self, name)]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other: give one")


def _require_url(name: str, url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # A port that is none.
        fine = False
    if not fine:
        raise UsageError(f"--{name} {masked(url)!r} is no URL: write http://host:port")


def _require_number(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"--{name.replace('_', '-')} {value!r} is no number: write {least} or more")


def _require_words(name: str, command: str | None) -> None:
    option = f"--{name.replace('_', '-')}"
    try:
        if command is not None and not shlex.split(command):
            raise UsageError(f"{option} is empty: write the command that is to be run")
    except ValueError as error:
        raise UsageError(f"{option} cannot be split into words: {error}") from error


_LEAST = {"max_examples": 0, "shrink_seconds": 0, "repeat": 1, "seed": 0, "fuzz_seconds": 0}
_NEEDS = {
    Lane.TRACKER: "a tracker: --tracker FILE",
    Lane.SERVER: "a server: --server, --server-cmd or --server-app",
    Lane.PAIR: "a tracker and a server: --tracker and --server",
    Lane.DASHBOARD: "a server whose dashboard it is: --server, --server-cmd or --server-app",
    Lane.LOAD: "`clickport load`",
}

OPTION_NAMES = tuple(field.name for field in fields(Options))
