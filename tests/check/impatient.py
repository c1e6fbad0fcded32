"""Run commands as ``conformance.cli.repeated`` does, and ``pytest`` as one more of them.

Pages that hang are given up after 4 s instead of 15 s: such a page keeps a processor busy, and the tests do
not depend on how long the others wait for it.
"""

import sys

import click
import pytest

from conformance.browsers import playwright_limits
from conformance.cli import COMMANDS
from conformance.cli.repeated import run


@click.command("pytest", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def pytest_(words: tuple[str, ...]) -> None:
    """Run pytest."""
    sys.exit(int(pytest.main(list(words))))


if __name__ == "__main__":
    playwright_limits.SECONDS = 4.0
    COMMANDS["pytest"] = ("__main__:pytest_", "Run pytest.")
    run()
