"""Renderers of the run record, one for each kind of report. They run no checks and decide no verdict."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from conformance.protocol.requirements import Requirement
from conformance.reports import annotations, as_json, html, junit, markdown
from conformance.reports.console import print_run
from conformance.reports.progress import RunProgress
from conformance.results.record import Run
from conformance.results.verdict import Verdict

__all__ = ["REPORTS", "Renderer", "RunProgress", "print_run", "require_writable", "write"]

Renderer = Callable[[Run, Verdict, Mapping[str, Requirement]], str]

REPORTS: Mapping[str, Renderer] = {
    "json": as_json.render,
    "junit": junit.render,
    "html": html.render,
    "md": markdown.render,
    "github": annotations.render,
}


def write(kind: str, path: Path, run: Run, verdict: Verdict, requirements: Mapping[str, Requirement]) -> None:
    """Write a report of a kind in ``REPORTS`` atomically. Raises OSError, naming the path."""
    text = REPORTS[kind](run, verdict, requirements)
    try:
        if path.is_char_device() or path.is_fifo():  # For example /dev/stdout.
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise OSError(f"cannot write the {kind} report to {path}: {error.strerror or error}") from error


def require_writable(path: Path) -> None:
    """Raise OSError, naming the path, unless a report can be written there; create its folder only."""
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder, not a file")
        if not path.is_char_device() and not path.is_fifo():
            path.resolve().parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.resolve().parent):
                pass
    except OSError as error:
        raise OSError(f"cannot write a report to {path}: {error.strerror or error}") from error


def _replace(path: Path, text: str) -> None:
    """Write to a temporary file beside ``path`` and rename it, so that no reader sees half a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        draft = Path(folder, path.name)
        draft.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
        draft.replace(path)
