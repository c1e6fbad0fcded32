"""The three readbacks: from ClickHouse, from a URL, from a command."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Timer
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

import httpx

from conformance.protocol.outcomes import TargetUnavailable
from conformance.protocol.tables import TABLE
from conformance.readback.bounded import SECONDS, output_of, within_bounds
from conformance.readback.rows import COLUMNS, StoredRow, parse_lines
from conformance.results.redaction import CLICKHOUSE_PASSWORD, CLICKHOUSE_USER
from conformance.tls import trusted_authorities

# For all rows of a load run, which are read as they come.
_STREAM_SECONDS = 600.0
_LINKS = ("session_id", "pageview_id")
_VIEW = "CREATE VIEW clickport_rows AS SELECT event_type AS type, … FROM {}"
_PORTS = {"http": 8123, "https": 8443}
# Hints by ClickHouse's exception code: unknown table, unknown database, wrong password.
_HINTS = {
    "60": " Name the table with --table, such as --table analytics.events",
    "81": " Write the database at the end of --clickhouse, such as http://host:8123/analytics",
    "516": f" Give user and password in the URL, or in {CLICKHOUSE_USER} and {CLICKHOUSE_PASSWORD}",
}


class ClickHouseReadback:
    """Readback by ClickHouse's HTTP interface: ``http://user:password@host:8123/database``.

    It uses plain HTTP instead of a client library: one SELECT is all it needs, strings must arrive as they
    are stored, and nothing else has to be installed to test a server. Raises ValueError for an invalid
    table name.
    """

    def __init__(self, url: str, table: str = "events") -> None:
        if not TABLE.fullmatch(table):
            raise ValueError(f"{table!r} is not a table name: write events or database.events")
        parts = urlsplit(url)
        self._database = unquote(parts.path.strip("/")) or "default"
        host = parts.hostname or "localhost"
        place = f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS[parts.scheme]}"
        self.name = f"ClickHouse at {place}, table {table}"
        self.table = table
        self._http = httpx.Client(
            base_url=urlunsplit((parts.scheme, place, "/", "", "")),
            auth=_credentials(parts),
            params=dict(parse_qsl(parts.query)),
            timeout=SECONDS,
            trust_env=False,
            verify=trusted_authorities(),
        )
        self._links: tuple[str, ...] | None = None

    def rows(self, run: str) -> list[StoredRow]:
        """Return the rows whose name or property values contain ``run``. Raises TargetUnavailable."""
        if self._links is None:
            known = self._known_columns()
            self._links = tuple(column for column in _LINKS if column in known)
        text = self._query(
            f"SELECT {', '.join((*COLUMNS, *self._links))} FROM {self.table} "  # noqa: S608 - checked name
            "WHERE positionCaseInsensitive(name, {run:String}) > 0 "
            "OR arrayExists(v -> positionCaseInsensitive(v, {run:String}) > 0, meta_values) "
            "FORMAT JSONEachRow SETTINGS output_format_json_quote_decimals = 1",
            param_run=run,
        )
        return parse_lines(text, self.name)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _known_columns(self) -> set[str]:
        """Return the columns of the table. Raises TargetUnavailable if a required one is missing."""
        described = self._query(f"DESCRIBE TABLE {self.table} FORMAT TSV")
        known = {line.split("\t")[0] for line in described.splitlines()}
        if missing := [column for column in COLUMNS if column not in known]:
            raise TargetUnavailable(
                f"{self.name} has no column {', '.join(missing)}. Required are {', '.join(COLUMNS)}: name "
                "the right table with --table, or a view with these columns, created like this: "
                f"{_VIEW.format(self.table)}"
            )
        return known

    def lines(self, sql: str, **params: str) -> Iterator[str]:
        """Yield the result of any SELECT line by line as it arrives. Raises TargetUnavailable."""
        with self._answer(sql, params, _STREAM_SECONDS) as response:
            yield from _lines(response.iter_bytes())

    def _query(self, sql: str, **params: str) -> str:
        with self._answer(sql, params, SECONDS) as response:
            return within_bounds(response.iter_bytes(), self.name).decode("utf-8", "surrogateescape")

    @contextmanager
    def _answer(self, sql: str, params: Mapping[str, str], seconds: float) -> Iterator[httpx.Response]:
        named = {"database": self._database, **params}
        try:
            with self._http.stream("POST", "/", content=sql, params=named, timeout=seconds) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    hint = _HINTS.get(response.headers.get("X-ClickHouse-Exception-Code", ""), "")
                    raise TargetUnavailable(
                        f"could not read {self.name}: {response.text.strip()[:500]}{hint}"
                    )
                yield response
        except httpx.HTTPError as error:
            raise TargetUnavailable(f"could not read {self.name}: {error}") from error


def _credentials(parts: SplitResult) -> tuple[str, str]:
    """Return (user, password), each from the URL or else from its environment variable."""
    user = os.environ.get(CLICKHOUSE_USER, "default") if parts.username is None else unquote(parts.username)
    if parts.password is not None:
        return user, unquote(parts.password)
    return user, os.environ.get(CLICKHOUSE_PASSWORD, "")


class UrlReadback:
    """Readback from a URL that serves JSON lines; ``{since}`` and ``{port}`` in it are replaced.

    Raises ValueError if it contains ``{port}`` but the port is not known.
    """

    def __init__(self, url: str, *, since: str, port: int | None = None) -> None:
        self._url = _fill(url, since, port)
        self.name = f"readback URL {url}"

    def rows(self, run: str) -> list[StoredRow]:
        """Return the rows whose name or property values contain ``run``. Raises TargetUnavailable."""
        try:
            with httpx.stream(
                "GET",
                self._url,
                timeout=SECONDS,
                follow_redirects=True,
                trust_env=False,
                verify=trusted_authorities(),
            ) as response:
                response.raise_for_status()
                text = within_bounds(response.iter_bytes(), self.name).decode("utf-8", "surrogateescape")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetUnavailable(f"{self.name}: {error}") from error
        return [row for row in parse_lines(text, self.name) if row.carries(run)]

    def stream(self, run: str) -> Iterator[StoredRow]:
        """Yield the rows one by one, for results that do not fit in memory. Raises TargetUnavailable."""
        try:
            with httpx.stream(
                "GET", self._url, timeout=_STREAM_SECONDS, follow_redirects=True, trust_env=False
            ) as response:
                response.raise_for_status()
                for line in _lines(response.iter_bytes()):
                    yield from (row for row in parse_lines(line, self.name) if row.carries(run))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TargetUnavailable(f"{self.name}: {error}") from error


class CommandReadback:
    """Readback from a command that prints JSON lines; ``{since}`` and ``{port}`` in it are replaced.

    Raises ValueError if it contains ``{port}`` but the port is not known.
    """

    def __init__(self, command: str, *, since: str, port: int | None = None) -> None:
        self._words = [_fill(word, since, port) for word in shlex.split(command)]
        self.name = f"readback command {command}"

    def rows(self, run: str) -> list[StoredRow]:
        """Return the rows whose name or values carry the run's token. Raises TargetUnavailable."""
        text = output_of(self._words, self.name).decode("utf-8", "surrogateescape")
        return [row for row in parse_lines(text, self.name) if row.carries(run)]

    def stream(self, run: str) -> Iterator[StoredRow]:
        """Yield the rows one by one, for results that do not fit in memory. Raises TargetUnavailable."""
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(self._words, stdout=subprocess.PIPE, stderr=errors)
            except OSError as error:
                raise TargetUnavailable(f"{self.name}: {error}") from error
            limit = Timer(_STREAM_SECONDS, process.kill)
            limit.start()
            try:
                assert process.stdout
                for line in _lines(process.stdout):
                    yield from (row for row in parse_lines(line, self.name) if row.carries(run))
                code = process.wait()
            finally:
                limit.cancel()
                process.kill()
                with process:
                    pass
            if code:
                errors.seek(0)
                tail = errors.read().decode("utf-8", "replace").strip()[-500:]
                raise TargetUnavailable(f"{self.name} ended with exit code {code}: {tail}")


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a text that arrives in chunks.

    Only LF ends a line: ``str.splitlines`` would also split at characters that may occur inside a row.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "surrogateescape")
    if rest:
        yield rest.decode("utf-8", "surrogateescape")


def _fill(text: str, since: str, port: int | None) -> str:
    if "{port}" in text and port is None:
        raise ValueError(
            f"{text!r} contains {{port}}, which is known only for a server started by --server-cmd or "
            "--server-app: write the port itself"
        )
    return text.replace("{since}", since).replace("{port}", str(port))
