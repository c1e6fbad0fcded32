"""``python -m conformance.browsers``: which browsers are here, or how to install those that are not."""

import sys

from conformance.browsers import BrowserMissing, find
from conformance.options import BROWSERS

if __name__ == "__main__":
    try:
        for name in BROWSERS:
            found = find(name)
            sys.stdout.write(f"{name} {found.version} {found.path}\n")
    except BrowserMissing as error:
        sys.exit(str(error))
