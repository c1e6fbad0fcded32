"""Import of a file of JSON lines by the API of a running server."""

import gzip
import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import httpx

_PART_BYTES, _PART_LINES = (
    900_000,
    5_000,
)  # Of a request; a server accepts 1 MiB unless it is configured otherwise.
_SECONDS = 120
_GZIP = b"\x1f\x8b"  # The first bytes of a compressed file.
_TYPE = {"Content-Type": "application/x-ndjson"}


class ImportRefused(Exception):
    """The server refused the import, or does not answer; the message says why and what to do."""


class WrongLines(Exception):
    """Lines of the file cannot be imported; the message lists them."""


@dataclass(frozen=True, kw_only=True)
class ImportPart:
    """Whole lines of a file, and the number of the first."""

    line: int
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The events of a file, how many of them had not been imported before, and what was changed in them."""

    events: int
    new: int
    notes: tuple[str, ...] = ()


def whole(file: BinaryIO) -> BinaryIO:
    """Return a file that can be read twice, unpacked if it is compressed by gzip. Raises WrongLines."""
    if not file.seekable():
        held = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with the process
        shutil.copyfileobj(file, held)
        file = held
        file.seek(0)
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    if not packed:
        return file
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - as above
    try:
        shutil.copyfileobj(gzip.GzipFile(fileobj=file), unpacked)
    except (EOFError, OSError, zlib.error) as error:
        raise WrongLines(f"the file cannot be unpacked: {error}") from error
    unpacked.seek(0)
    return cast(BinaryIO, unpacked)


def parts(lines: Iterable[bytes]) -> Iterator[ImportPart]:
    """Yield lines in parts that fit into a request."""
    first, size = 1, 0
    held: list[bytes] = []
    for line in lines:
        if held and (size + len(line) > _PART_BYTES or len(held) >= _PART_LINES):
            yield ImportPart(line=first, body=b"".join(held))
            first, size, held = first + len(held), 0, []
        held.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(held[-1])
    if held:
        yield ImportPart(line=first, body=b"".join(held))


class Importer:
    """Sends lines to the API of a server for one site."""

    def __init__(self, url: str, site: str, key: str = "") -> None:
        headers = {**_TYPE, **({"x-api-key": key} if key else {})}
        self._path = f"/api/sites/{site}/import"
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_SECONDS, trust_env=False)

    def import_file(self, file: BinaryIO, id_: str = "") -> Imported:
        """Import a file that can be read twice, all of it or nothing.

        Each part has an id derived from ``id_``, by default the digest of the file, so that a repeated import
        stores only what is missing. Raises WrongLines and ImportRefused.
        """
        digest, wrong = hashlib.sha256(), []
        for part in parts(file):
            digest.update(part.body)
            wrong += self._wrong(part)
        if wrong:
            raise WrongLines("\n".join(wrong))
        file.seek(0)
        return self.import_parts(parts(file), id_ or digest.hexdigest()[:32])

    def import_parts(self, given: Iterable[ImportPart], id_: str) -> Imported:
        """Import parts whose lines are known to be right. Raises WrongLines and ImportRefused."""
        events = new = 0
        changed: dict[str, tuple[str, int]] = {}
        for part in given:
            answer = self._send(part.body, id=f"{id_}-{part.line}")
            if answer.status_code != httpx.codes.OK:
                raise ImportRefused(f"the server refused lines from {part.line} on: {_reason(answer)}")
            told = answer.json()
            events += told["events"]
            new += told["stored"]
            for note in told["notes"]:
                first = f"line {part.line + note['line'] - 1}: {note['text']}"
                text, lines = changed.get(note["code"], (first, 0))
                changed[note["code"]] = text, lines + note["lines"]
        notes = (f"{text} ({lines:,} such lines)" if lines > 1 else text for text, lines in changed.values())
        return Imported(events=events, new=new, notes=tuple(notes))

    def _wrong(self, part: ImportPart) -> list[str]:
        """Return what is wrong with the lines of a part."""
        answer = self._send(part.body, check="1")
        if answer.status_code == httpx.codes.BAD_REQUEST and (lines := answer.json().get("lines")):
            found = [f"line {part.line + each['line'] - 1}: {each['error']}" for each in lines]
            more = answer.json()["total"] - len(lines)
            return (
                [*found, f"and {more:,} more after line {part.line + lines[-1]['line'] - 1}"]
                if more
                else found
            )
        if answer.status_code != httpx.codes.OK:
            raise ImportRefused(f"the server refused lines from {part.line} on: {_reason(answer)}")
        return []

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _send(self, body: bytes, **arguments: str) -> httpx.Response:
        try:
            return self._http.post(self._path, params=arguments, content=body)
        except httpx.HTTPError as error:
            raise ImportRefused(
                f"{self._http.base_url} does not answer ({error}): import the file again, which continues"
            ) from error


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError):
        return f"status {answer.status_code}"
