"""The one seam to implementations: how a server or a tracker is found or started. Knows nothing of checks."""

from conformance.targets.server import Server
from conformance.targets.tracker import load_shim, load_tracker

__all__ = ["Server", "load_shim", "load_tracker"]
