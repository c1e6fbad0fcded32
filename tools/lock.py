"""Write tools/constraints.txt from the packages of this environment: ``make lock``."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

PLACE = Path(__file__).parent / "constraints.txt"
_TOP = "# The versions of our own runs, by `make lock`; tools/setup.sh and the Dockerfile install these.\n"
_LEFT_OUT = {"clickport-conformance", "pip", "setuptools", "wheel"}


def render() -> str:
    """Return a constraint for each installed package, sorted by name, without this one and its installer."""
    versions = {_normal(each.name): each.version for each in distributions()}
    return _TOP + "".join(f"{name}=={versions[name]}\n" for name in sorted(set(versions) - _LEFT_OUT))


def _normal(name: str) -> str:
    """Return the normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    PLACE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PLACE}\n")
