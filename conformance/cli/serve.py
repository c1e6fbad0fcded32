"""``clickport serve``: start the reference server as a program of its own."""

import os
import sys

import click

from conformance import processes
from conformance.cli.execute import end
from conformance.results.verdict import Exit


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Run the reference server (--help: its options).",
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Run the reference server on an embedded ClickHouse, or on the one at CLICKHOUSE_URL."""
    if not processes.is_posix():
        end(f"could not run: clickport serve {processes.NEEDS_POSIX}", Exit.COULD_NOT_RUN)
    # Replace this process, so that stopping it by its id (a supervisor, CI) stops the server.
    os.environ["CLICKPORT_COMMAND"] = "clickport"
    os.execv(sys.executable, [sys.executable, "-m", "reference_server", "serve", *arguments])  # noqa: S606
