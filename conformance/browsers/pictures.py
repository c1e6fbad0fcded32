"""A picture of the page of a failing case, taken before its tab is closed."""

import base64
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from conformance.browsers.base import Tab

# A target that does nothing fails every case: the first pages show all there is to see. So does the first of
# those that look the same.
_MOST = 40
_LARGEST = 300_000


class Pictures:
    """Takes a picture a case at most, so many in all, none twice; ``failing`` is what a check raises."""

    def __init__(self, failing: type[BaseException]) -> None:
        self._failing = failing
        self._left = _MOST
        self._seen: set[bytes] = set()
        self._shown: Tab | None = None
        self._taken = ""
        self._wanted = True

    def begin(self, *, wanted: bool = True) -> None:
        """A new case begins, whose failure is one or, of a MAY, none that is worth a picture."""
        self._shown, self._taken, self._wanted = None, "", wanted

    def watch(self, tab: Tab) -> Tab:
        """The tab, which has its picture taken when a failing case closes it."""
        return cast(Tab, _Watched(tab, self._take_if_failing))

    def show(self, tab: Tab) -> Tab:
        """The tab, in which a case runs that will not close it."""
        self._shown = tab
        return tab

    def of(self, error: BaseException | None) -> str:
        """The picture of the case that ended so, a PNG in Base64; empty when there is none."""
        if isinstance(error, self._failing) and self._shown:
            self._take(self._shown)
        return self._taken if isinstance(error, self._failing) else ""

    def _take_if_failing(self, tab: Tab) -> None:
        # A case closes its tab in a ``finally``: what it raised is on its way there.
        if isinstance(sys.exception(), self._failing):
            self._take(tab)

    def _take(self, tab: Tab) -> None:
        if self._taken or not self._wanted or not self._left:
            return
        # The verdict stands: a page that is gone, or hangs, has no picture, and that is all.
        with suppress(Exception):
            picture = tab.screenshot()
            if len(picture) <= _LARGEST and picture not in self._seen:
                self._taken = base64.b64encode(picture).decode("ascii")
                self._seen.add(picture)
                self._left -= 1


class _Watched:
    def __init__(self, tab: Tab, before_close: Callable[[Tab], None]) -> None:
        self._tab = tab
        self._before_close = before_close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tab, name)

    def close(self) -> None:
        self._before_close(self._tab)
        self._tab.close()
