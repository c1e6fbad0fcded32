"""Clients of one ClickHouse URL or of several, one client per thread and URL."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from reference_server.storage.layout import SINGLE, BadCluster, Host, Layout, discover, quoted

Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)
# It tells of each failed connection, without the reason, before it raises its error.
logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)

_NO_URL = "{!r} is not a ClickHouse URL such as http://user:password@host:8123/database"
_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 30
# Seconds for which a server that did not answer is asked last, doubled each time up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_CONNECTING = (ClickHouseError, OSError, ValueError, TypeError)
# An insert is acknowledged when its shard has it. By default, it would wait in a file of the coordinator.
_CLUSTER_SETTINGS = {"distributed_foreground_insert": 1}
_IS_LOCAL = """
SELECT shard_num, replica_num FROM system.clusters WHERE cluster = {cluster:String} AND is_local
"""

BETWEEN_SERVERS = {
    32: "ATTEMPT_TO_READ_AFTER_EOF",
    101: "UNEXPECTED_PACKET_FROM_SERVER",
    198: "DNS_ERROR",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    279: "ALL_CONNECTION_TRIES_FAILED",
}
"""Errors of the network between the servers of a cluster: the outcome of an insert is unknown."""


def connect(url: str, settings: dict[str, int] | None = None) -> Client:
    """Return a client for ``http://user:password@host:8123/database``.

    Raises ValueError if the URL has another form, and clickhouse-connect's errors if the server does not
    answer.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # The message of the error may contain a part of the password.
        raise ValueError(_NO_URL.format(masked(url))) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_NO_URL.format(masked(url)))
    secure = parts.scheme == "https"
    return clickhouse_connect.get_client(
        host=parts.hostname,
        port=port or (8443 if secure else 8123),
        secure=secure,
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or "default",
        settings=settings,
        # A session allows one query at a time, and nothing here needs sessions.
        autogenerate_session_id=False,
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_ANSWER_SECONDS,
    )


def insert(client: Client, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Insert rows; a time is given in seconds since 1970. Raises clickhouse-connect's errors.

    Its own ``insert`` loads pandas and numpy where they are installed: 0.3 s and 45 MB for each process.
    """
    lines = b"\n".join(map(msgspec.json.encode, rows))
    if lines:
        query = f"INSERT INTO {table} ({', '.join(columns)}) FORMAT JSONCompactEachRow\n"
        client.command(query, data=lines)


def masked(url: str) -> str:
    """Return a URL, or several with commas, with the credentials masked, even if it is malformed."""
    return ",".join(map(_masked, url.split(",")))


def _masked(url: str) -> str:
    before, at, host = url.rpartition("@")
    scheme, slashes, _ = before.partition("//")
    return f"{scheme}{slashes}***@{host}" if slashes else f"***@{host}" if at else url


class Clients:
    """Clients per thread, each connected on first use.

    ``urls`` has one URL or several with commas: of servers that see the same tables. One of them is used
    until it does not answer, then the next one. With ``cluster``, they are servers of the cluster of this
    name. Raises ValueError if they are not of one database.
    """

    def __init__(self, urls: str, cluster: str = "") -> None:
        self._urls = tuple(url.strip() for url in urls.split(",") if url.strip()) or (urls,)
        databases = set(map(_database, self._urls))
        if len(databases) > 1:
            raise ValueError(
                f"the ClickHouse URLs {masked(urls)} name the databases {' and '.join(sorted(databases))}: "
                "all must name the same one"
            )
        self._settings = _CLUSTER_SETTINGS if cluster else None
        self.cluster = cluster
        self._first = secrets.randbelow(len(self._urls))  # Processes begin with different servers.
        self._layout: Layout | None = None
        self._mine = threading.local()
        self._lock = threading.Lock()
        # The last pause of each server that did not answer, and its end (monotonic clock).
        self._paused: dict[str, tuple[float, float]] = {}

    def get(self) -> Client:
        """Return a client of this thread: of the first server that is not known to be away.

        Raises like ``connect`` if no server can be connected to.
        """
        failed: Exception | None = None
        for url in self._by_health():
            try:
                return self._client(url)
            except _CONNECTING as error:
                self._pause(url, error)
                failed = error
        assert failed
        raise failed

    def each(self) -> Iterator[Client]:
        """Yield a client of this thread for each server that is not known to be away.

        One that cannot be connected to is passed over, unless it is the only one: then raises like
        ``connect``.
        """
        for url in self._by_health():
            if self._is_paused(url):
                continue
            try:
                yield self._client(url)
            except _CONNECTING as error:
                self._pause(url, error)
                if len(self._urls) == 1:
                    raise

    def run(self, action: Callable[[Client], Result]) -> Result:
        """Return the result of an action that may be repeated, from the first server that answers.

        Raises clickhouse-connect's errors.
        """
        for _ in self._urls[1:]:
            client = self.get()
            try:
                return action(client)
            except (ClickHouseError, OSError) as error:
                if not self.away(client, error):
                    raise
        return action(self.get())

    def away(self, client: Client, error: Exception) -> bool:
        """Return True if an error means that another server may answer; this one is then asked last."""
        code = error.code if isinstance(error, Error) else None
        if code is not None and code not in BETWEEN_SERVERS:
            return False
        for url, mine in self._of_this_thread().items():
            if mine is client:
                self._pause(url, error)
        return True

    def layout(self) -> Layout:
        """Return where the tables are, asked once. Raises BadCluster, and clickhouse-connect's errors."""
        if not self.cluster:
            return SINGLE
        if self._layout is None:
            self._layout = self.run(lambda client: discover(client, self.cluster))
        return self._layout

    def nodes(self, layout: Layout) -> Iterator[tuple[Host, Client]]:
        """Yield the hosts of the cluster, each with a new client of it.

        A host without a URL of its own is reached by the first URL with the name of the host. Raises
        BadCluster if a host cannot be reached.
        """
        urls: dict[tuple[int, int] | None, str] = {}
        reasons: dict[str, str] = {}
        for url in self._urls:
            urls[self._place(url, reasons)] = url
        for host in layout.hosts:
            place = (host.shard, host.replica)
            url = urls.get(place) or _on(self._urls[0], host.name)
            if place not in urls and self._place(url, reasons) != place:
                if layout.queue:  # ON CLUSTER reaches it.
                    continue
                told = "".join(f"; {masked(each)} cannot be used: {why}" for each, why in reasons.items())
                where = f"{host} does not answer at {masked(url)}"
                raise BadCluster(f"{where}: add its URL to CLICKHOUSE_URL, or start it{told}")
            client = connect(url, self._settings)
            try:
                yield host, client
            finally:
                client.close()

    def answers(self) -> None:
        """Return if ClickHouse answers, each shard included. Raises clickhouse-connect's errors."""
        query = "SELECT 1"
        if self.cluster:
            query = f"SELECT count() FROM cluster({quoted(self.cluster)}, system.one)"  # noqa: S608
        self.run(lambda client: client.command(query))

    def _place(self, url: str, reasons: dict[str, str]) -> tuple[int, int] | None:
        """Return shard and replica of the server at a URL, or None if it does not answer, with the reason."""
        try:
            client = connect(url)
            try:
                rows = client.query(_IS_LOCAL, parameters={"cluster": self.cluster}).result_rows
            finally:
                client.close()
        except _CONNECTING as error:
            reasons[url] = str(error).partition("\n")[0]
            return None
        if not rows:
            reasons[url] = f"it is not part of the cluster {self.cluster!r}"
            return None
        return rows[0][0], rows[0][1]

    def _client(self, url: str) -> Client:
        mine = self._of_this_thread()
        if url not in mine:
            mine[url] = connect(url, self._settings)
        return mine[url]

    def _of_this_thread(self) -> dict[str, Client]:
        mine: dict[str, Client] | None = getattr(self._mine, "clients", None)
        if mine is None:
            mine = self._mine.clients = {}
        return mine

    def _by_health(self) -> list[str]:
        now = time.monotonic()
        urls = self._urls[self._first :] + self._urls[: self._first]
        with self._lock:
            ends = {url: end for url, (_, end) in self._paused.items() if end > now}
        return sorted(urls, key=lambda url: ends.get(url, 0.0))

    def _is_paused(self, url: str) -> bool:
        with self._lock:
            _, end = self._paused.get(url, (0.0, 0.0))
        return len(self._urls) > 1 and time.monotonic() < end

    def _pause(self, url: str, reason: Exception) -> None:
        now = time.monotonic()
        with self._lock:
            pause, end = self._paused.get(url, (0.0, 0.0))
            if now < end:
                return
            recent = now < end + _LONGEST_PAUSE
            pause = min(2 * pause, _LONGEST_PAUSE) if recent and pause else _FIRST_PAUSE
            self._paused[url] = (pause, now + pause)
        if pause == _FIRST_PAUSE and len(self._urls) > 1:
            _LOG.warning("ClickHouse at %s cannot be used and is asked last for now: %s", masked(url), reason)


def _database(url: str) -> str:
    try:
        return urlsplit(url).path.strip("/") or "default"
    except ValueError:  # ``connect`` refuses it.
        return "default"


def _on(url: str, host: str) -> str:
    """Return a URL with another host."""
    parts = urlsplit(url)
    before, at, _ = parts.netloc.rpartition("@")
    port = f":{parts.port}" if parts.port else ""
    name = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{before}{at}{name}{port}"))
