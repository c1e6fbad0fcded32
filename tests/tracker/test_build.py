"""The built script: up to date and small."""

import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, TRACKER

BUDGET = 1000
FOLDER = ROOT / "tracker"


def test_size() -> None:
    """The tracker is at most 1,000 bytes gzipped."""
    assert len(gzip.compress(TRACKER.read_bytes(), 9)) <= BUDGET


def test_built_from_this_source() -> None:
    """build.json has the checksum of the current source."""
    built = json.loads((FOLDER / "build.json").read_text())
    assert built["source"] == hashlib.sha256((FOLDER / "tracker.js").read_bytes()).hexdigest()


def test_the_build_is_unedited() -> None:
    """tracker.min.js has the size in build.json."""
    built = json.loads((FOLDER / "build.json").read_text())
    assert built["raw"] == len(TRACKER.read_bytes())


def test_build_is_repeatable(tmp_path: Path) -> None:
    """With Node.js, `npm ci && npm run build` produces an identical file."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here; the two tests above compare checksums instead")
    for name in ("package.json", "package-lock.json", ".npmrc", "build.mjs", "tracker.js"):
        shutil.copy(FOLDER / name, tmp_path)
    for command in (["ci", "--silent", "--no-audit", "--no-fund"], ["run", "--silent", "build"]):
        subprocess.run([npm, *command], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "tracker.min.js").read_bytes() == TRACKER.read_bytes()


def test_lock_names_no_host() -> None:
    """The lock file pins by checksum and names no registry host."""
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()
