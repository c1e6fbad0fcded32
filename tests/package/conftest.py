"""The wheel and the sdist of this tree, built once for the tests of this folder."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_hook", ROOT / "tools" / "build_hook.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hook = _hook()


def build(tree: Path, target: Path, *kinds: str) -> subprocess.CompletedProcess[str]:
    """Build these kinds of package from a source tree, as tools/dist.sh does after npm."""
    words = [word for kind in kinds for word in ("--target", kind)]
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(target), *words],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the sdist of this tree."""
    if problems := hook.problems_of(ROOT):
        pytest.skip(f"npm has not run here: {problems[0]}")
    folder = tmp_path_factory.mktemp("dist")
    done = build(ROOT, folder, "sdist", "wheel")
    assert done.returncode == 0, done.stderr
    return folder


def one(folder: Path, pattern: str) -> Path:
    """Return the only file that matches."""
    [found] = folder.glob(pattern)
    return found
