"""``python -m conformance.browsers [NAME]...``: list installed browsers; exit code 1 if one is missing."""

import sys

from conformance.browsers import BROWSERS, BrowserMissing, find


def main(names: list[str]) -> int:
    """Print one line per browser, missing ones on stderr; return 1 if any is missing, else 0."""
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
