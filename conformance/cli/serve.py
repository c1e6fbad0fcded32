"""``clickport serve``: the reference server, started like anybody's."""

import os
import sys

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Run the reference server (--help: its options).",
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Run the reference server on an embedded ClickHouse, or the one that CLICKHOUSE_URL names."""
    # In this very process, so that whoever stops it by its id (a supervisor, CI) stops the server.
    os.environ["CLICKPORT_COMMAND"] = "clickport"
    os.execv(sys.executable, [sys.executable, "-m", "reference_server", "serve", *arguments])  # noqa: S606
