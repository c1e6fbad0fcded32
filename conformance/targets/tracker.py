"""Trackers under test: the bytes of a script from a file, a URL or the bundled reference."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from conformance.paths import bundled
from conformance.protocol.outcomes import TargetUnavailable


def load_tracker(place: str | None) -> bytes:
    """Return the script at ``place``, a path or an http(s) URL; None means the bundled reference.

    Raises TargetUnavailable if the script cannot be read or is empty.
    """
    if place is None:
        script = bundled("tracker/tracker.min.js").read_bytes()
    elif place.startswith(("http://", "https://")):
        script = _fetch(place)
    else:
        script = _read(Path(place))
    if not script.strip():
        raise TargetUnavailable(f"the tracker {place or 'tracker/tracker.min.js'} is empty")
    return script


def load_shim(place: str) -> bytes:
    """Return the script that maps ``clickport.track`` to a foreign tracker.

    Raises TargetUnavailable if it cannot be read or is empty.
    """
    script = _read(Path(place), "shim")
    if not script.strip():
        raise TargetUnavailable(f"the shim {place} is empty")
    return script


def _fetch(url: str) -> bytes:
    try:
        # A proxy from the environment is used for other hosts only: it cannot reach this machine.
        local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        response = httpx.get(url, follow_redirects=True, timeout=10, trust_env=not local)
        return response.raise_for_status().content
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise TargetUnavailable(f"could not fetch the tracker {url}: {error}") from error


def _read(path: Path, what: str = "tracker") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TargetUnavailable(f"could not read the {what} {path}: {error.strerror}") from error
