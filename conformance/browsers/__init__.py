"""Real browsers behind one seam: find, start, open a tab, run script, navigate, close. Knows no tracker."""

from conformance.browsers.engine import Browser, BrowserMissing, Installed, Tab, find, start

__all__ = ["Browser", "BrowserMissing", "Installed", "Tab", "find", "start"]
