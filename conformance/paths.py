"""Paths of bundled data, in the source tree or in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def bundled(name: str) -> Path:
    """Return the path of a bundled file or folder such as ``fixtures/vectors`` or ``tracker/tracker.js``.

    Raises FileNotFoundError, which names both candidates, if the installation is incomplete.
    """
    places = (_PACKAGE / "_bundled" / name, _PACKAGE.parent / name)
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(
        f"{name} is missing from this installation (looked at {places[0]} and {places[1]}): reinstall it"
    )
