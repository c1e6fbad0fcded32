"""Clients of a ClickHouse URL, one per thread."""

import threading
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

_NO_URL = "{!r} is not a ClickHouse URL such as http://user:password@host:8123/database"
_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 30


def connect(url: str) -> Client:
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
        # A session allows one query at a time, and nothing here needs sessions.
        autogenerate_session_id=False,
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_ANSWER_SECONDS,
    )


def masked(url: str) -> str:
    """Return a URL with its credentials masked, even if it is malformed."""
    before, at, host = url.rpartition("@")
    scheme, slashes, _ = before.partition("//")
    return f"{scheme}{slashes}***@{host}" if slashes else f"***@{host}" if at else url


class Clients:
    """Clients per thread, each connected on first use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._mine = threading.local()

    def get(self) -> Client:
        """Return the client of this thread. Raises like ``connect``."""
        client: Client | None = getattr(self._mine, "client", None)
        if client is None:
            client = self._mine.client = connect(self._url)
        return client
