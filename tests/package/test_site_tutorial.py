"""The tutorial for site owners is followed in an empty project, with the wheel."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from conformance.targets.process import Process, free_port
from tests.package.conftest import ROOT
from tests.package.test_wheel import installed, run
from tests.site.test_pytest_fixture import CONFTEST

__all__ = ["installed"]
PAGE = (ROOT / "docs" / "test-site-events.md").read_text(encoding="utf-8")
QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:schemathesis")


def block(language: str, number: int = 0) -> str:
    """Return a code block of the tutorial."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return blocks[number]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a reader, whose site is served on another port than 5000."""
    from conformance.browsers import find

    port = free_port()
    (tmp_path / "signup.html").write_text(block("html"), encoding="utf-8")
    (tmp_path / "test_signup.py").write_text(block("python").replace("5000", str(port)), encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST.format(path=find("chromium").path), encoding="utf-8")
    words = [
        sys.executable,
        "-m",
        "http.server",
        str(port),
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path),
    ]
    with Process(words) as server:
        server.wait_until_listening(port)
        yield tmp_path


def follow(installed: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run pytest on the reader's test with the installed wheel."""
    return run(installed, folder, "-m", "pytest", "-q", *QUIET, "test_signup.py", *words)


@pytest.mark.skipif(
    not find_spec("pytest_playwright"), reason="pytest-playwright is not installed: make setup"
)
def test_tutorial(installed: Path, project: Path) -> None:
    """The test passes, fails as printed for the change of step 3, and its events make a plan."""
    done = follow(installed, project, "--clickport-events=events.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    plan = run(installed, project, "-m", "conformance", "plan", "write", "events.jsonl")
    assert plan.returncode == 0, plan.stderr
    assert follow(installed, project).returncode == 0
    page = project / "signup.html"
    page.write_text(page.read_text(encoding="utf-8").replace("plan: 'pro'", "plan: 'Pro'"), encoding="utf-8")
    done = follow(installed, project)
    assert done.returncode == 1
    [printed] = re.findall(r"^```\n(expect.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [line for line in printed.splitlines() if line not in done.stdout] == []
