"""Real browsers behind one interface: find, start, open a tab, run a script, navigate, close."""

from conformance.browsers.base import (
    BROWSERS,
    CANCELS_SILENTLY,
    FREEZES_ON_REQUEST,
    PLAIN_HOSTS,
    Browser,
    BrowserMissing,
    Installed,
    PageBroken,
    Tab,
    Trusted,
)
from conformance.browsers.engine import find, installed, kept_running, start, unusable
from conformance.browsers.pictures import Pictures
from conformance.browsers.unattended import unattended

__all__ = [
    "BROWSERS",
    "CANCELS_SILENTLY",
    "FREEZES_ON_REQUEST",
    "PLAIN_HOSTS",
    "Browser",
    "BrowserMissing",
    "Installed",
    "PageBroken",
    "Pictures",
    "Tab",
    "Trusted",
    "find",
    "installed",
    "kept_running",
    "start",
    "unattended",
    "unusable",
]
