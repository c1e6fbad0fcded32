"""The stored rows of a load run, read by any readback and verified by their checksums."""

from collections.abc import Collection, Iterator
from typing import Protocol

from conformance.load.fingerprint import CHECKSUM_KEY, GROUP, MEMBER, is_intact, nonce_of, parse
from conformance.load.ledger import Row
from conformance.protocol.outcomes import TargetUnavailable
from conformance.readback import ClickHouseReadback, CommandReadback, Readback, UrlReadback

# The largest difference between the clocks of server and senders.
_EARLIER_SECONDS = 15

# Text without the NULs that pad a FixedString, and an amount without trailing zeros.
_UNPADDED = "toStringCutToZero(ifNull(toString({}), ''))"
_AMOUNT = rf"""replaceRegexpOne(
    {_UNPADDED.format("revenue_source_amount")}, '(\\.\\d*[1-9])0+$|\\.0*$', '\\1'
)"""
# ``fingerprint.is_intact`` in SQL, so that rows need not be fetched.
_INTACT = f"""
ifNull(meta_keys[2] = '{CHECKSUM_KEY}' AND meta_values[2] = toString(CRC32(concat(
    {_UNPADDED.format("type")}, '{GROUP}', name, '{GROUP}',
    arrayStringConcat(arrayConcat(arraySlice(meta_keys, 1, 1), arraySlice(meta_keys, 3)), '{MEMBER}'),
    '{GROUP}',
    arrayStringConcat(arrayConcat(arraySlice(meta_values, 1, 1), arraySlice(meta_values, 3)), '{MEMBER}'),
    '{GROUP}',
    {_AMOUNT}, '{GROUP}', {_UNPADDED.format("revenue_source_currency")}
))), 0)
"""
_NONCE = "arrayFirst(v -> startsWith(v, {run:String}), meta_values)"


class Stored(Protocol):
    """The rows of one run. All methods raise TargetUnavailable if the readback fails."""

    def count(self) -> int:
        """Return the number of rows."""
        ...

    def rows(self) -> Iterator[Row]:
        """Yield all rows."""
        ...

    def seen(self, nonces: Collection[str], since: float) -> set[str]:
        """Return those nonces that have a row; all were sent at ``since`` (a time of ``clock``) or later."""
        ...

    def size(self) -> float | None:
        """Return the bytes on disk of an event; None if unknown."""
        ...


def stored(readback: Readback, run: str) -> Stored:
    """Return the rows of a run as a readback finds them."""
    if isinstance(readback, ClickHouseReadback):
        return _ByQuery(readback, run)
    assert isinstance(readback, UrlReadback | CommandReadback)
    return _ByLines(readback, run)


class _ByQuery:
    def __init__(self, readback: ClickHouseReadback, run: str) -> None:
        self._readback = readback
        self._run = run
        self._columns: dict[str, str] | None = None

    def count(self) -> int:
        [number] = self._lines("SELECT count() FROM {table} WHERE {nonce} != ''")
        return int(number)

    def rows(self) -> Iterator[Row]:
        for line in self._lines("SELECT {nonce}, {intact} FROM {table} WHERE {nonce} != ''"):
            text, tab, intact = line.partition("\t")
            if not tab or intact not in ("0", "1"):  # ClickHouse reports a late error within the rows.
                raise TargetUnavailable(f"could not read {self._readback.name}: {line[:500]}")
            yield Row(parse(text, self._run), intact == "1")

    def seen(self, nonces: Collection[str], since: float) -> set[str]:
        # Restrict by time, if the table has one: a scan of millions of rows would load the target.
        recent = "timestamp >= fromUnixTimestamp64Milli({since:Int64}) AND "
        recent = recent if self._described().get("timestamp", "").startswith("DateTime") else ""
        wanted = ",".join(f"'{nonce}'" for nonce in nonces)
        return set(
            self._lines(
                "SELECT {nonce} FROM {table} "  # noqa: S608 - a checked name
                f"WHERE {recent}{{nonce}} IN (SELECT arrayJoin({{wanted:Array(String)}}))",
                param_wanted=f"[{wanted}]",
                param_since=str(int((since - _EARLIER_SECONDS) * 1000)),
            )
        )

    def size(self) -> float | None:
        database, _, table = self._readback.table.rpartition(".")
        where = f"database = '{database}'" if database else "database = currentDatabase()"
        try:
            [line] = self._readback.lines(
                "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts "  # noqa: S608 - a checked name
                f"WHERE active AND {where} AND table = '{table}' FORMAT TSV"
            )
        except TargetUnavailable:  # This user may not read system.parts.
            return None
        size, rows = map(int, line.split("\t"))
        return size / rows if rows else None

    def _described(self) -> dict[str, str]:
        if self._columns is None:
            lines = self._readback.lines(f"DESCRIBE TABLE {self._readback.table} FORMAT TSV")
            self._columns = {name: kind for name, kind, *_ in (line.split("\t") for line in lines)}
        return self._columns

    def _lines(self, sql: str, **params: str) -> Iterator[str]:
        for name, text in (("{table}", self._readback.table), ("{nonce}", _NONCE), ("{intact}", _INTACT)):
            sql = sql.replace(name, text)
        # One thread, to take as little as possible from the server that is measured.
        sql = f"{sql} FORMAT TSV SETTINGS max_threads = 1"
        return self._readback.lines(sql, param_run=f"{self._run}.", **params)


class _ByLines:
    def __init__(self, readback: UrlReadback | CommandReadback, run: str) -> None:
        self._readback = readback
        self._run = run

    def count(self) -> int:
        return sum(1 for _ in self.rows())

    def rows(self) -> Iterator[Row]:
        for row in self._readback.stream(f"{self._run}."):
            yield Row(nonce_of(row, self._run), is_intact(row))

    def seen(self, nonces: Collection[str], since: float) -> set[str]:  # noqa: ARG002 - rows have no time here
        return set(nonces) & {row.nonce.text(self._run) for row in self.rows() if row.nonce}

    def size(self) -> float | None:
        return None
