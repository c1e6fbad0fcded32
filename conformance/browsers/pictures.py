"""Screenshots of failing cases, taken before the tab is closed."""

import base64
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from conformance.browsers.base import Tab

# A target that does nothing fails every case, so that more pictures, or equal ones, would show nothing new.
_MOST = 40
_LARGEST = 300_000


class Pictures:
    """Screenshots of failing cases: at most one per case, 40 in all, and no two identical ones.

    ``failing`` is the exception by which a check reports a failure.
    """

    def __init__(self, failing: type[BaseException]) -> None:
        self._failing = failing
        self._left = _MOST
        self._seen: set[bytes] = set()
        self._shown: Tab | None = None
        self._taken = ""
        self._wanted = True

    def begin(self, *, wanted: bool = True) -> None:
        """Start a new case; ``wanted`` is False if its failure needs no picture, as for a MAY."""
        self._shown, self._taken, self._wanted = None, "", wanted

    def watch(self, tab: Tab) -> Tab:
        """Return a tab that takes a picture when a failing case closes it."""
        return cast(Tab, _Watched(tab, self._take_if_failing))

    def show(self, tab: Tab) -> Tab:
        """Register a tab that the case uses but does not close, and return it."""
        self._shown = tab
        return tab

    def of(self, error: BaseException | None) -> str:
        """Return the picture of the case that ended with ``error``, a PNG in Base64, or "" without one."""
        if isinstance(error, self._failing) and self._shown:
            self._take(self._shown)
        return self._taken if isinstance(error, self._failing) else ""

    def _take_if_failing(self, tab: Tab) -> None:
        # A case closes its tab in a ``finally`` block, while its exception is being handled.
        if isinstance(sys.exception(), self._failing):
            self._take(tab)

    def _take(self, tab: Tab) -> None:
        if self._taken or not self._wanted or not self._left:
            return
        # A picture is optional: one that cannot be taken must not change the verdict.
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
