"""The wheel works outside the source tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.package.conftest import ROOT, one


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package, installed from a wheel."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = str(one(dist, "*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(place / "site"), wheel], check=True)
    return place / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder outside the source tree, with the installed package first on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_import_names(installed: Path) -> None:
    """The wheel installs only conformance and reference_server, so that it clashes with no user project."""
    names = {path.name for path in installed.iterdir() if path.is_dir() and path.suffix != ".dist-info"}
    assert names - {"bin", "__pycache__"} == {"conformance", "reference_server"}


def test_code_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """The tests below import the wheel, not the source tree."""
    done = run(installed, tmp_path, "-c", "import conformance; print(conformance.__file__)")
    assert Path(done.stdout.strip()) == installed / "conformance" / "__init__.py"


def test_the_dashboard_is_whole(installed: Path) -> None:
    """The dashboard's files are in the wheel, and vendored files with their licences."""
    inside = Path("reference_server") / "web" / "dashboard"
    places = [
        place
        for pattern in ("*.py", "static/**/*.*", "templates/*.*")
        for place in (ROOT / inside).glob(pattern)
    ]
    files = {path.relative_to(ROOT) for path in places}
    assert {path for path in files if not (installed / path).exists()} == set()
    vendor = inside / "static" / "vendor"
    for folder in (installed / vendor).glob("*/"):
        assert (folder / "LICENSE").exists(), folder.name


def test_check_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Three lanes of the bundled reference run from the wheel."""
    only = ("tracker/wire-2-plain", "server/store-1-plain", "pair/store-1-plain")
    selectors = [word for id_ in only for word in ("--only", id_)]
    done = run(installed, tmp_path, "-m", "conformance", "check", "--browser", "chromium", *selectors)
    record = (tmp_path / "clickport-run.jsonl").read_text()
    assert (done.returncode, record.count('"status": "pass"')) == (0, 3), done.stdout + done.stderr
