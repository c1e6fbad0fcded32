"""docs/ci.md agrees with the action, and its recipes work."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.reports import REPORTS
from tests.package.commands import Command, prove
from tests.package.conftest import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def column(title: str) -> set[str]:
    """Return the names in backticks in the first column of the table with this title."""
    [table] = re.findall(rf"^\| {title} \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    return {
        name for row in table.strip().splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])
    }


@pytest.mark.parametrize(("title", "members"), [("input", "inputs"), ("output", "outputs")])
def test_each_input_and_output_is_explained(title: str, members: str) -> None:
    """The tables have exactly the inputs and outputs of action.yml."""
    assert column(title) == set(ACTION[members])


def test_the_examples_use_known_inputs() -> None:
    """Each example of the action names inputs that it has."""
    steps = [step for block in blocks("yaml") for step in yaml.safe_load(block) if "uses" in step]
    assert len(steps) == 2
    for step in steps:
        assert set(step["with"]) <= set(ACTION["inputs"])


def test_the_hook_is_a_command_that_works() -> None:
    """The hook's entry, with a file after it, is a command that the program knows."""
    [hook] = [
        hook for block in blocks("yaml") for repo in yaml.safe_load(block) for hook in repo.get("hooks", ())
    ]
    prove(Command("docs/ci.md", (*shlex.split(hook["entry"]), "tracker.js"), True))
    assert re.search(hook["files"], "dist/tracker.js")


def test_what_a_run_writes_is_ignored(tmp_path: Path) -> None:
    """The lines for .gitignore cover records and reports, and not the counterexamples."""
    [lines] = blocks("gitignore")
    (tmp_path / ".gitignore").write_text(lines, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    written = ["clickport-run.jsonl", "clickport-load.jsonl", "clickport-reports/report.html"]
    written += [f"clickport-report.{kind}" for kind in REPORTS]
    done = subprocess.run(
        ["git", "check-ignore", *written, "clickport-counterexamples.jsonl", "clickport.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == written
