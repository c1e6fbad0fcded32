"""Downloads of lists and raw events as CSV, sent while they are read."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator

from flask import Blueprint, Response, abort, g, request
from werkzeug.exceptions import ServiceUnavailable

from reference_server.analytics.filters import Filter
from reference_server.analytics.ranges import Range
from reference_server.analytics.reader import Reader
from reference_server.analytics.series import METRICS
from reference_server.web.arguments import asked_filter, asked_range

LISTS = ("events", "properties", "values", "goals", "series", "raw")
"""Lists that can be downloaded, each as ``export/NAME.csv``."""

_AT_ONCE = 4  # Downloads of a worker; each occupies a thread.
_RETRY_SECONDS = 30


class _Download:
    """The bytes of a download; the place that it occupies is free when it is closed."""

    def __init__(self, chunks: Iterable[bytes], release: Callable[[], None]) -> None:
        self._chunks = chunks
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """End the query and free the place."""
        release, self._release = self._release, None
        if release:
            release()
            if close := getattr(self._chunks, "close", None):
                close()


def add_exports(routes: Blueprint, reader: Reader) -> None:
    """Add the downloads to the API."""
    places = threading.BoundedSemaphore(_AT_ONCE)

    @routes.get("/export/<name>")
    def export(name: str) -> Response:
        list_ = name.removesuffix(".csv")
        if list_ not in LISTS or list_ == name:
            abort(404, f"there are only {', '.join(f'{each}.csv' for each in LISTS)}")
        try:
            range_, by = asked_range(reader, g.site), asked_filter(reader, g.site)
        except ValueError as error:
            abort(400, str(error))
        if (metric := request.args.get("metric", METRICS[0])) not in METRICS:
            abort(400, f"metric must be one of {', '.join(METRICS)} (got {metric[:100]!r})")
        if not places.acquire(blocking=False):
            raise ServiceUnavailable(
                f"{_AT_ONCE} downloads are running: try again later", retry_after=_RETRY_SECONDS
            )
        try:
            chunks = _chunks(reader, list_, range_, by)
        except BaseException:
            places.release()
            raise
        days = f"{range_.first}-{range_.last}"
        file = re.sub(r"[^\w.-]", "-", f"{g.site}-{list_}-{days}.csv", flags=re.ASCII)
        return Response(
            _Download(chunks, places.release),
            content_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": f'attachment; filename="{file}"'},
        )


def _chunks(reader: Reader, list_: str, range_: Range, by: Filter) -> Iterable[bytes]:
    args = request.args
    return reader.export(
        g.site,
        range_,
        list_,
        by,
        event=args.get("name"),
        property_=args.get("property"),
        metric=args.get("metric", METRICS[0]),
    )
