"""The ``clickport`` command: options in, exit code out."""

import click

from conformance import __version__
from conformance.cli.check import check
from conformance.cli.listing import list_
from conformance.cli.selftest import selftest_
from conformance.cli.serve import serve

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="clickport")
def main() -> None:
    """Referee for the Clickport custom-events protocol.

    Checks trackers and ingest servers over the wire: what clickport.track() was called with, what reached the
    network although the page was left, and what was stored.
    """


for _command in (check, serve, list_, selftest_):
    main.add_command(_command)
