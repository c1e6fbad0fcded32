"""``python -m conformance.browsers [NAME]...``: which browsers are here; 1 if one of these is not."""

import sys

from conformance.browsers import BROWSERS, BrowserMissing, find


def main(names: list[str]) -> int:
    """Print a line for each browser and return the exit code."""
    missing = 0
    for name in names or BROWSERS:
        try:
            found = find(name)
            sys.stdout.write(f"{name} {found.version} {found.path}\n")
        except BrowserMissing as error:
            sys.stderr.write(f"{error}\n")
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
