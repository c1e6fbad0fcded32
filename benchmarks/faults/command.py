"""The parts that the commands of fault runs share: their arguments, and waiting."""

import argparse
import time
from collections.abc import Callable, Collection

WAIT = 60.0
"""The longest wait for a server or for its events, in seconds."""


def parser_of(description: str | None, faults: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser of a command that injects some of ``faults``, by default all, under a load."""
    names = ", ".join(faults)

    def known(name: str) -> str:
        if name not in faults:
            raise argparse.ArgumentTypeError(f"unknown fault {name}: the faults are {names}")
        return name

    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", type=known, help=f"any of {names} (default: all)")
    parser.add_argument("--rate", type=float, default=550, help="requests a second (default: 550)")
    return parser


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait for a condition. Raises SystemExit with a message after WAIT."""
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(0.05)
