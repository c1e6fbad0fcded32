"""Logins in signed cookies, valid on every node that has the secret, until they expire or are ended.

Only the logins that were ended before they expired are stored, in ClickHouse.
"""

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from clickhouse_connect.driver.client import Client

from reference_server.storage.client import Clients, insert
from reference_server.storage.shared_tables import ENDED_LOGINS, Cached

_ENDED = f"SELECT DISTINCT login FROM {ENDED_LOGINS} WHERE expires > now()"  # noqa: S608


class Logins:
    """The logins of a server. An id is trusted because the cookie that carries it is signed."""

    def __init__(self, clients: Clients, state_dir: Path) -> None:
        self._clients = clients
        self._ended = Cached(clients, state_dir / "logins.changed", _read_ended)

    def begin(self, now: datetime, lasts: timedelta) -> str:
        """Return the id of a new login, which says when it expires."""
        return f"{int((now + lasts).timestamp())}.{secrets.token_urlsafe(24)}"

    def has(self, login: str, now: datetime) -> bool:
        """Return True if a login has neither ended nor expired.

        While ClickHouse does not answer, no login can be ended, so the last known list is complete but
        for its last second. Raises clickhouse-connect's errors if this process has not read it yet.
        """
        return _expiry(login) > now.timestamp() and login not in self._ended.last()

    def end(self, login: str, now: datetime) -> None:
        """End a login on all nodes. It may have ended already.

        Raises clickhouse-connect's errors; then the login continues.
        """
        if _expiry(login) <= now.timestamp():
            return
        insert(self._clients.get(), ENDED_LOGINS, ["login", "expires"], [[login, _expiry(login)]])
        self._ended.changed()


def _read_ended(client: Client) -> frozenset[str]:
    return frozenset(login for (login,) in client.query(_ENDED).result_rows)


def _expiry(login: str) -> int:
    """Return the time in an id, or 0 for an id of another form."""
    text, _, _ = login.partition(".")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else 0
