"""``clickport serve``, ``demo`` and ``import``: programs of the reference server."""

import os
import sys
from typing import NoReturn

import click

from conformance import processes
from conformance.cli.execute import end
from conformance.results.verdict import Exit


def _passing_on(name: str, about: str, text: str) -> click.Command:
    """Return a command that becomes the one of the reference server with the same name and arguments."""

    def run(arguments: tuple[str, ...]) -> NoReturn:
        if not processes.is_posix():
            end(f"could not run: clickport {name} {processes.NEEDS_POSIX}", Exit.COULD_NOT_RUN)
        # Replace this process, so that stopping it by its id (a supervisor, CI) stops the server.
        os.environ["CLICKPORT_COMMAND"] = "clickport"
        os.execv(sys.executable, [sys.executable, "-m", "reference_server", name, *arguments])  # noqa: S606

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=text,
        short_help=about,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
    )


serve = _passing_on(
    "serve",
    "Run the reference server (--help: its options).",
    "Run the reference server on an embedded ClickHouse, or on the one at CLICKHOUSE_URL.",
)
demo = _passing_on(
    "demo",
    "Run a server with a year of data, to try the dashboard.",
    "Run a server with a site that has a year of data, to try the dashboard.",
)
import_ = _passing_on(
    "import",
    "Import events of the past into a running server.",
    "Import events of the past from a file, a JSON object per line, into a running server.",
)
