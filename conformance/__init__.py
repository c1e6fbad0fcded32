"""The referee of the Clickport custom-events protocol: cases, evidence, verdicts."""

__version__ = "0.1.0"
