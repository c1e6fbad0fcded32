"""The ``clickport`` command and its subcommands."""

import io
import os
import signal
import sys
import traceback
from typing import Any

import click

from conformance import __version__
from conformance.cli.baseline import baseline_
from conformance.cli.check import check
from conformance.cli.doctor import doctor
from conformance.cli.explain import explain
from conformance.cli.fuzz import fuzz
from conformance.cli.listing import list_
from conformance.cli.load import load
from conformance.cli.selftest import selftest_
from conformance.cli.serve import serve
from conformance.reports.text import harmless
from conformance.results.redaction import masked
from conformance.results.verdict import Exit

__all__ = ["main"]


class _Command(click.Group):
    """A group that reports an unexpected exception as a fault of the suite, never as a violation."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # The reader of the pipe has closed it: `clickport list | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        except Exception:
            click.echo(harmless(masked(traceback.format_exc())), err=True)
            click.echo("fault of the suite itself: please report it, with the lines above", err=True)
            sys.exit(Exit.SUITE_FAULT)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="clickport")
def main() -> None:
    """Referee for the Clickport custom-events protocol.

    Checks trackers and ingest servers over the wire: what clickport.track() was called with, what reached the
    network although the page was left, and what was stored.
    """
    # A console whose encoding lacks a character shows its code point.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # SIGTERM, from CI or a supervisor, cleans up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


for _command in (check, fuzz, load, serve, list_, explain, doctor, selftest_, baseline_):
    main.add_command(_command)
