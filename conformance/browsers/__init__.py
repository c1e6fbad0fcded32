"""Real browsers behind one seam: find, start, open a tab, run script, navigate, close. Knows no tracker."""

from conformance.browsers.engine import (
    BROWSERS,
    Browser,
    BrowserMissing,
    Installed,
    Tab,
    find,
    installed,
    start,
)

__all__ = ["BROWSERS", "Browser", "BrowserMissing", "Installed", "Tab", "find", "installed", "start"]
