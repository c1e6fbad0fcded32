"""Real browsers behind one seam: find, start, open a tab, run script, navigate, close. Knows no tracker."""

from conformance.browsers.engine import (
    BROWSERS,
    FREEZES_ON_REQUEST,
    Browser,
    BrowserMissing,
    Installed,
    Tab,
    find,
    installed,
    start,
)
from conformance.browsers.pictures import Pictures
from conformance.browsers.unattended import unattended

__all__ = [
    "BROWSERS",
    "FREEZES_ON_REQUEST",
    "Browser",
    "BrowserMissing",
    "Installed",
    "Pictures",
    "Tab",
    "find",
    "installed",
    "start",
    "unattended",
]
