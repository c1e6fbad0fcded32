"""Wheel and sdist are whole, or the build fails and says why."""

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from tests.package.conftest import ROOT, build, hook, one


def record(wheel: Path) -> dict[str, str]:
    """Return the hash of each file of a wheel, after comparing its RECORD with the files."""
    with zipfile.ZipFile(wheel) as archive:
        [place] = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(place).decode()))}
        assert set(rows) == set(archive.namelist())
        for name, told in rows.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest())
            assert name == place or told == f"sha256={digest.decode().rstrip('=')}"
    return rows


def metadata(wheel: Path) -> Message:
    """Return the METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [place] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(place).decode())


def test_the_sdist_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """The wheel that is built from the sdist, without npm, has the same files with the same hashes."""
    with tarfile.open(one(dist, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = one(tmp_path, "clickport_conformance-*")
    assert not list(tree.rglob("node_modules"))
    done = build(tree, tmp_path / "again", "wheel")
    assert done.returncode == 0, done.stderr
    assert record(one(tmp_path / "again", "*.whl")) == record(one(dist, "*.whl"))


def test_the_files_of_others_are_inside_with_their_licences(dist: Path) -> None:
    """The wheel has every file that the build hook requires, and METADATA names each of the licences."""
    files = record(one(dist, "*.whl"))
    inside = {name: name if name in files else f"conformance/_bundled/{name}" for name in hook.REQUIRED}
    assert [name for name, place in inside.items() if place not in files] == []
    about = metadata(one(dist, "*.whl"))
    licences = {name for name in hook.REQUIRED if "licences/" in name or name.endswith("LICENSE")}
    assert set(about.get_all("License-File", [])) == {"LICENSE", *licences}
    assert about["License-Expression"] == "MIT AND OFL-1.1"


def test_metadata_leaves_room_for_other_packages(dist: Path) -> None:
    """No dependency is pinned; both packages are typed; URLs and classifiers are there."""
    about = metadata(one(dist, "*.whl"))
    assert [text for text in about.get_all("Requires-Dist", []) if "==" in text.partition(";")[0]] == []
    assert {f"{name}/py.typed" for name in ("conformance", "reference_server")} <= set(
        record(one(dist, "*.whl"))
    )
    urls = {text.partition(",")[0] for text in about.get_all("Project-URL", [])}
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= urls
    assert "Typing :: Typed" in about.get_all("Classifier", [])


def test_links_of_the_description_lead_out_of_the_package(dist: Path) -> None:
    """The description is the README, whose relative links lead to the repository's files, which exist."""
    about = metadata(one(dist, "*.whl"))
    text = about.get_payload()
    assert isinstance(text, str)
    assert about["Description-Content-Type"] == "text/markdown"
    targets = re.findall(r"\]\((.*?)(?:#.*?)?\)", text)
    home = f"{dict(url.split(', ') for url in about.get_all('Project-URL', []))['Homepage']}/blob/main/"
    own = [target.removeprefix(home) for target in targets if target.startswith(home)]
    assert len(own) == len(targets) >= 10
    assert [name for name in own if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tree: shutil.rmtree(tree / hook._VENDOR), "static/vendor/uplot/uPlot.js is missing"),
        (lambda tree: (tree / hook._VENDOR / "inter" / "LICENSE").unlink(), "inter/LICENSE is missing"),
        (
            lambda tree: (tree / hook._FRAMEWORKS / "licences" / "vue").write_text(""),
            "licences/vue is missing",
        ),
        (
            lambda tree: (tree / hook._VENDOR / "package-lock.json").write_text("{}"),
            "static/vendor was not made from the present package-lock.json",
        ),
    ],
)
def test_half_a_package_is_not_built(dist: Path, tmp_path: Path, change: object, told: str) -> None:
    """Without one of the files, or with one of another version, the build fails with the way out."""
    with tarfile.open(one(dist, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    tree = one(tmp_path, "clickport_conformance-*")
    assert callable(change)
    change(tree)
    done = build(tree, tmp_path / "made", "wheel", "sdist")
    assert done.returncode != 0
    assert told in done.stderr
    assert "run `make dist`" in done.stderr
    assert not list((tmp_path / "made").glob("*"))


@pytest.fixture(scope="module")
def bare(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of a new environment with the wheel in it and read-only; dependencies are ours."""
    place = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    own = sysconfig.get_path("purelib", vars={"base": str(place / "venv")})
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "--python", str(place / "venv" / "bin" / "python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*install, str(one(dist, "*.whl"))], check=True)
    # Ours come after its own, and the editable installation of this tree, a .pth file, is not followed.
    Path(own, "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    for path in (place / "venv").rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    return place / "venv" / "bin"


def clickport(bare: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, on a path without npm."""
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not Path(p, "npm").exists())
    hidden = folder / "path"
    hidden.mkdir(exist_ok=True)
    for name in ("chromium-headless-shell", "chromium"):
        if (program := shutil.which(name)) and not (hidden / name).exists():
            (hidden / name).symlink_to(program)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(bare / "clickport"), *words],
        env={**environment, "PATH": f"{bare}{os.pathsep}{hidden}{os.pathsep}{path}:/bin"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(ROOT) not in done.stdout + done.stderr
    return done


def test_a_stranger_checks_a_tracker(bare: Path, tmp_path: Path) -> None:
    """The installed wheel verifies cases in a browser, components of React and Vue included."""
    shutil.copy(ROOT / "tracker" / "tracker.min.js", tmp_path / "t.js")
    only = ("tracker/wire-2-plain", "tracker/api-4-react-component", "tracker/api-4-vue-component")
    selectors = [word for id_ in only for word in ("--only", id_)]
    done = clickport(bare, tmp_path, "check", "--tracker", "t.js", "--browser", "chromium", *selectors)
    lines = (tmp_path / "clickport-run.jsonl").read_text(encoding="utf-8")
    assert (done.returncode, lines.count('"status": "pass"')) == (0, 3), done.stdout + done.stderr


def test_a_stranger_reads_the_pages_that_messages_name(bare: Path, tmp_path: Path) -> None:
    """Documentation is in the wheel, and --version names the requirement set."""
    page = clickport(bare, tmp_path, "docs", "test-my-dashboard")
    assert page.stdout == (ROOT / "docs" / "test-my-dashboard.md").read_text(encoding="utf-8")
    assert "test-my-tracker" in clickport(bare, tmp_path, "docs").stdout
    wrong = clickport(bare, tmp_path, "docs", "test-my-traker")
    assert (wrong.returncode, "did you mean test-my-tracker?" in wrong.stderr) == (2, True)
    assert clickport(bare, tmp_path, "--version").stdout.rstrip().endswith("requirements 2026-1")
