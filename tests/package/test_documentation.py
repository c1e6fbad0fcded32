"""The documentation says what the code does."""

import subprocess
import sys
from pathlib import Path

import pytest

from conformance.protocol.requirements import requirements
from reference_server import config
from reference_server.delivery import counters

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_reference_is_up_to_date(tmp_path: Path) -> None:
    """docs/reference.md is what `make reference` writes."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import reference; sys.stdout.write(reference.render())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "tools")], cwd=tmp_path, capture_output=True, check=True
    )
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == done.stdout.decode()


def test_reference_names_every_requirement() -> None:
    """Every requirement id is a row of the reference."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert [id_ for id_ in requirements() if f"| {id_} |" not in text] == []


def test_every_variable_and_reason_of_the_server_is_explained() -> None:
    """docs/run-the-server.md has a row for each, and none that is not read."""
    text = (ROOT / "docs" / "run-the-server.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert rows == {variable for variable, _ in config._VARIABLES.values()}
    assert [reason for reason in counters.REASONS if f"`{reason}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of the project."""
    targets = [part.partition(")")[0] for part in page.read_text(encoding="utf-8").split("](")[1:]]
    broken = [t for t in targets if "://" not in t and not (page.parent / t.partition("#")[0]).exists()]
    assert broken == []
