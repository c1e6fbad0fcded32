"""What a server stored, read back as one row type, whatever the way."""

from conformance.readback.rows import Readback, StoredRow
from conformance.readback.sources import ClickHouseReadback, CommandReadback, UrlReadback

__all__ = ["ClickHouseReadback", "CommandReadback", "Readback", "StoredRow", "UrlReadback"]
