"""HAR files of Chrome, Firefox, Safari and Playwright: the requests in them, with bodies and answers."""

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EVENT_PATH = "/api/event"
_SETTINGS = {
    "webinspector": "in Chrome's or Edge's developer tools keep the Network panel open, tick 'Keep log' "
    "('Preserve log' in older ones), and export again; no export has bodies that are Blobs",
    "firefox": "in Firefox tick 'Persist Logs', open "
    "the Network panel before the page, and export with 'Save All As HAR'",
    "webkit": "in Safari's Web Inspector turn 'Preserve Log' on, open the Network tab first, and "
    "export again; no export has bodies that are Blobs",
    "playwright": "record with record_har_path and without service workers (service_workers='block'), "
    "and close the context before the file is read",
}
_ANY_SETTING = "open the Network panel before the page, keep its log over navigations, and export again"
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


class BadHar(ValueError):
    """A file that is not a HAR; the message names the file, the place in it and the fault."""


@dataclass(frozen=True, kw_only=True)
class CapturedRequest:
    """A request of a capture.

    A capture may lack the ``body`` (None) and the ``status`` (0), also of a request that was ``answered``:
    Firefox leaves out some. ``kind`` is the type that the browser gave the
    request (``fetch``, ``ping``, …), or empty. ``seconds`` is 0 if unknown. ``place`` names file and entry.
    ``by_worker``: a service worker answered it; if the worker passed it on, its own request is another entry.
    """

    place: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    status: int
    kind: str
    seconds: float
    page: str
    cookies: bool = False
    answered: bool = True
    by_worker: bool = False

    @property
    def path(self) -> str:
        """The path of the URL; empty if the URL cannot be read, because a page may ask for anything."""
        try:
            return urlsplit(self.url).path
        except ValueError:
            return ""

    @property
    def is_event_path(self) -> bool:
        """True if the path is that of events (WIRE-1)."""
        return self.path.endswith(EVENT_PATH)

    def header(self, name: str) -> str | None:
        """Return the first header with this name (case-insensitive), or None."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


@dataclass(frozen=True, kw_only=True)
class Capture:
    """The requests of one HAR file. ``setting`` is the way to export one that has the bodies."""

    path: Path
    creator: str
    requests: tuple[CapturedRequest, ...]
    setting: str

    @property
    def has_cookies(self) -> bool:
        """True if the export kept cookies: a request of any kind has some."""
        return any(request.cookies for request in self.requests)


def read_captures(path: Path) -> tuple[Capture, ...]:
    """Read a HAR file, or all below a folder. Raises BadHar, also if the folder has none."""
    if not path.is_dir():
        return (read_har(path),)
    files = sorted(each for each in path.rglob("*") if is_har(each) and each.is_file())
    if not files:
        raise BadHar(f"{path} has no file *.har")
    return tuple(read_har(file) for file in files)


def is_har(path: Path) -> bool:
    """Return True if a file is named as a HAR, gzipped or not."""
    return path.name.lower().endswith((".har", ".har.gz"))


def read_har(path: Path) -> Capture:
    """Read a HAR file, which may be gzipped. Raises BadHar."""
    data = _read_json(path)
    log = data.get("log") if isinstance(data, dict) else None
    if not isinstance(log, dict) or not isinstance(log.get("entries"), list):
        raise BadHar(f"{path} is not a HAR: it has no log.entries; export one from the Network panel")
    by = log.get("browser") or log.get("creator") or {}
    creator = str(log.get("creator", {}).get("name", "")) if isinstance(log.get("creator"), dict) else ""
    setting = next((text for name, text in _SETTINGS.items() if name in creator.lower()), _ANY_SETTING)
    return Capture(
        path=path,
        creator=" ".join(str(by.get(k, "")) for k in ("name", "version")) if isinstance(by, dict) else "",
        requests=tuple(_requests(path, log)),
        setting=setting,
    )


def _read_json(path: Path) -> Any:
    """Return the JSON of a file, in UTF-8, UTF-16 or UTF-32. Raises BadHar."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadHar(f"could not read {path}: {error.strerror or error}") from error
    if raw.startswith(_ZIP):
        raise BadHar(f"{path} is a ZIP archive: unpack it, and name the .har file or the folder in it")
    try:
        return json.loads(gzip.decompress(raw) if raw.startswith(_GZIP) else raw)
    except json.JSONDecodeError as error:
        if not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated string"):
            message = f"{path} is incomplete: it ends at byte {len(raw):,}; export or record it again"
            raise BadHar(message) from error
        raise BadHar(f"{path} is not a HAR: {error}") from error
    except EOFError as error:
        raise BadHar(f"{path} is incomplete: the gzipped data ends too early; copy it again") from error
    except (OSError, ValueError, RecursionError, zlib.error) as error:
        raise BadHar(f"{path} is not a HAR: {error}") from error


def _requests(path: Path, log: Mapping[str, Any]) -> Iterator[CapturedRequest]:
    pages = log.get("pages")
    titles = {p.get("id"): str(p.get("title", "")) for p in pages if isinstance(p, dict)} if pages else {}
    for number, entry in enumerate(log["entries"], start=1):
        place = f"{path.name}, entry {number}"
        try:
            yield _request(path, place, entry, titles)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise BadHar(f"{place} is not an entry of a HAR: {problem}") from error


def _request(path: Path, place: str, entry: Mapping[str, Any], titles: Mapping[Any, str]) -> CapturedRequest:
    request, response = entry["request"], entry.get("response") or {}
    headers = tuple((str(h["name"]), str(h["value"])) for h in request.get("headers") or ())
    referer = next((v for k, v in headers if k.lower() == "referer"), "")
    title = titles.get(entry.get("pageref"), "")
    status = max(int(response.get("status") or 0), 0)
    return CapturedRequest(
        place=place,
        method=str(request["method"]),
        url=str(request["url"]),
        headers=headers,
        body=_body(path.parent, request, headers),
        status=status,
        kind=str(entry.get("_resourceType") or ""),
        seconds=_seconds(str(entry["startedDateTime"])),
        page=referer or (title if "://" in title else ""),
        cookies=bool(request.get("cookies")) or any(k.lower() == "cookie" for k, _ in headers),
        answered=bool(status or response.get("headers")),
        by_worker=response.get("_fetchedViaServiceWorker") is True
        or entry.get("_fetchType") == "Service Worker",
    )


def _seconds(started: str) -> float:
    """Return a time since the epoch; 0 for "", which Safari writes of a request from before its tools."""
    return datetime.fromisoformat(started).timestamp() if started else 0.0


def _body(folder: Path, request: Mapping[str, Any], headers: Sequence[tuple[str, str]]) -> bytes | None:
    """Return the whole body, or None: Firefox cuts long ones off, and exports leave out empty ones."""
    body = _kept_body(folder, request.get("postData"))
    length = next((v for k, v in headers if k.lower() == "content-length"), "")
    if not length.isdecimal():
        return body
    if body is None:
        return b"" if int(length) == 0 else None
    return body if len(body) >= int(length) else None


def _kept_body(folder: Path, post: Any) -> bytes | None:
    if not isinstance(post, Mapping):
        return None
    if (name := post.get("_file")) and (folder / Path(str(name)).name).is_file():
        return (folder / Path(str(name)).name).read_bytes()  # Playwright, with content="attach".
    text = post.get("text")
    if not isinstance(text, str) or not text:
        return None
    if post.get("encoding") == "base64":
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(f"the body is not base64: {error}") from error
    return text.encode("utf-8", "surrogatepass")


def events_of(captures: Sequence[Capture]) -> Iterator[CapturedRequest]:
    """Yield the requests to the path of events, without preflights."""
    for capture in captures:
        for request in capture.requests:
            if request.is_event_path and request.method != "OPTIONS":
                yield request
