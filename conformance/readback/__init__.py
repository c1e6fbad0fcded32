"""Readbacks: the stored rows of a server, from ClickHouse, a URL or a command, as one row type."""

from conformance.readback.rows import Readback, StoredRow
from conformance.readback.sources import ClickHouseReadback, CommandReadback, UrlReadback

__all__ = ["ClickHouseReadback", "CommandReadback", "Readback", "StoredRow", "UrlReadback"]
