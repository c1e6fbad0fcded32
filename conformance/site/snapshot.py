"""Snapshots: the reviewed sequence of a test's events as a text file."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from conformance.site.events import Event


def compare(path: Path, events: Sequence[Event], *, update: bool) -> None:
    """Raise AssertionError unless the file holds these events, one a line; with ``update``, write it."""
    text = "".join(f"{event}\n" for event in events)
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if not path.exists():
        raise AssertionError(f"there is no snapshot {path}: write it with --clickport-update-snapshots")
    kept = path.read_text(encoding="utf-8")
    if kept != text:
        lines = difflib.unified_diff(
            kept.splitlines(), text.splitlines(), str(path), "this run", lineterm="", n=1
        )
        raise AssertionError(
            "\n".join(
                ["the events differ from the snapshot (--clickport-update-snapshots accepts them):", *lines]
            )
        )
