"""Adapters to the implementations under test: locate or start a server, load a tracker."""

from conformance.targets.server import Server
from conformance.targets.tracker import load_shim, load_tracker

__all__ = ["Server", "load_shim", "load_tracker"]
