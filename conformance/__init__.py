"""Conformance suite of the Clickport custom-events protocol."""

__version__ = "0.1.0"
