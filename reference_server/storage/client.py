"""Clients of a ClickHouse by URL, one for each thread."""

import threading
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

_NO_URL = "{!r} is no URL of a ClickHouse: write http://user:password@host:8123/database"
_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 30


def connect(url: str) -> Client:
    """Connect to ``http://user:password@host:8123/database``.

    Raises ValueError for what is no such URL, and clickhouse-connect's errors when nobody answers.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # Its text may hold a part of the password.
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
        # A session allows one query at a time; nothing here needs one.
        autogenerate_session_id=False,
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_ANSWER_SECONDS,
    )


def masked(url: str) -> str:
    """Return a URL without what may be its credentials, however badly it is written."""
    before, at, host = url.rpartition("@")
    scheme, slashes, _ = before.partition("//")
    return f"{scheme}{slashes}***@{host}" if slashes else f"***@{host}" if at else url


class Clients:
    """A client for each thread that asks, connected when it first asks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._mine = threading.local()

    def get(self) -> Client:
        """Return this thread's client. Raises like ``connect``."""
        client: Client | None = getattr(self._mine, "client", None)
        if client is None:
            client = self._mine.client = connect(self._url)
        return client
