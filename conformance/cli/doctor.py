"""``clickport doctor``: whether this machine can run the checks, and what is missing."""

import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import click

from conformance import __version__
from conformance.browsers import BROWSERS, BrowserMissing, find
from conformance.results.verdict import Exit

_REFERENCE = ("the bundled reference", "reference")
_EXTRAS = {
    **dict.fromkeys(("flask", "granian", "clickhouse-connect", "chdb-core"), _REFERENCE),
    "locust": ("`clickport load`", "load"),
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing looked at; ``needed`` for more than the reference server."""

    name: str
    fine: bool
    text: str
    needed: bool = True


@click.command(short_help="Say whether this machine can run the checks.")
def doctor() -> None:
    """Look at Python, packages, browsers and the loopback interface; ends with 3 if checks cannot run."""
    findings = list(_look())
    for finding in findings:
        mark = "ok     " if finding.fine else "MISSING" if finding.needed else "absent "
        click.echo(f"{mark}  {finding.name}: {finding.text}")
    if not all(finding.fine for finding in findings if finding.needed):
        sys.exit(Exit.COULD_NOT_RUN)


def _look() -> Iterator[Diagnosis]:
    yield Diagnosis(
        name="clickport",
        fine=True,
        text=f"{__version__}, Python {platform.python_version()} ({sys.executable})",
    )
    yield Diagnosis(name="playwright", fine=True, text=version("playwright"))
    others = any(map(_is_here, BROWSERS))
    for name in BROWSERS:
        try:
            found = find(name)
            yield Diagnosis(name=name, fine=True, text=f"{found.version} {found.path}")
        except BrowserMissing as error:
            yield Diagnosis(name=name, fine=False, text=str(error), needed=not others)
    yield from _hosts()
    for name, (user, extra) in _EXTRAS.items():
        try:
            yield Diagnosis(name=name, fine=True, text=version(name), needed=False)
        except PackageNotFoundError:
            text = f"only {user} needs it: pip install 'clickport-conformance[{extra}]'"
            yield Diagnosis(name=name, fine=False, text=text, needed=False)


def _is_here(browser: str) -> bool:
    try:
        return bool(find(browser))
    except BrowserMissing:
        return False


def _hosts() -> Iterator[Diagnosis]:
    """Both origins of the recorder must lead to this machine."""
    for host in ("127.0.0.1", "localhost"):
        try:
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection((host, server.getsockname()[1]), timeout=2).close()
            yield Diagnosis(name=host, fine=True, text="reaches this machine")
        except OSError as error:
            yield Diagnosis(name=host, fine=False, text=f"does not reach this machine: {error}")
