"""``clickport doctor``: report whether this machine can run the checks, and what is missing."""

import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import click

from conformance import __version__
from conformance.browsers import BROWSERS, BrowserMissing, find
from conformance.processes import NEEDS_POSIX, is_posix
from conformance.protocol.requirement_sets import current_set
from conformance.results.verdict import Exit

_REFERENCE = ("the bundled reference", "reference")
_EXTRAS = {
    **dict.fromkeys(("flask", "granian", "clickhouse-connect", "chdb-core"), _REFERENCE),
    "locust": ("`clickport load`", "load"),
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The state of one prerequisite; ``needed`` is False if checks can run without it."""

    name: str
    fine: bool
    text: str
    needed: bool = True


@click.command(short_help="Say whether this machine can run the checks.")
def doctor() -> None:
    """Check Python, packages, browsers and the loopback interface; exit with 3 if checks cannot run."""
    diagnoses = list(_diagnose())
    for diagnosis in diagnoses:
        mark = "ok     " if diagnosis.fine else "MISSING" if diagnosis.needed else "absent "
        click.echo(f"{mark}  {diagnosis.name}: {diagnosis.text}")
    if not all(diagnosis.fine for diagnosis in diagnoses if diagnosis.needed):
        sys.exit(Exit.COULD_NOT_RUN)


def _diagnose() -> Iterator[Diagnosis]:
    python = f"Python {platform.python_version()} ({sys.executable})"
    own = f"{__version__}, requirements {current_set()}, {python}"
    yield Diagnosis(name="clickport", fine=True, text=own)
    yield Diagnosis(name="playwright", fine=True, text=version("playwright"))
    any_installed = any(map(_is_installed, BROWSERS))
    for name in BROWSERS:
        try:
            browser = find(name)
            yield Diagnosis(name=name, fine=True, text=f"{browser.version} {browser.path}")
        except BrowserMissing as error:
            yield Diagnosis(name=name, fine=False, text=str(error), needed=not any_installed)
    yield from _hosts()
    if not is_posix():
        text = f"the reference server, `serve`, `load` and --readback-cmd: each {NEEDS_POSIX}"
        yield Diagnosis(name="POSIX", fine=False, text=text, needed=False)
    for name, (user, extra) in _EXTRAS.items():
        try:
            yield Diagnosis(name=name, fine=True, text=version(name), needed=False)
        except PackageNotFoundError:
            text = f"needed by {user} only: pip install 'clickport-conformance[{extra}]'"
            yield Diagnosis(name=name, fine=False, text=text, needed=False)


def _is_installed(browser: str) -> bool:
    try:
        return bool(find(browser))
    except BrowserMissing:
        return False


def _hosts() -> Iterator[Diagnosis]:
    """Diagnose the hosts of the recorder's two origins: both must resolve to this machine."""
    for host in ("127.0.0.1", "localhost"):
        try:
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection((host, server.getsockname()[1]), timeout=2).close()
            yield Diagnosis(name=host, fine=True, text="reaches this machine")
        except OSError as error:
            yield Diagnosis(name=host, fine=False, text=f"does not reach this machine: {error}")
