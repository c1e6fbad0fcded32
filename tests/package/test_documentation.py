"""The documentation agrees with the code."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from conformance.protocol.requirements import requirements
from reference_server import config
from reference_server.delivery import counters

ROOT = Path(__file__).parents[2]
TERMS = """
    event property revenue payload request row tracker server readback recorder requirement case check run
    verdict mutant counterexample lane exit delivery outbox quarantine rollup goal conversion kpi
"""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_reference_is_up_to_date(tmp_path: Path) -> None:
    """docs/reference.md is the output of `make reference`."""
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
    """docs/run-the-server.md has exactly one row for each variable, and names each reason."""
    text = (ROOT / "docs" / "run-the-server.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert rows == {variable for variable, _ in config._VARIABLES.values()}
    assert [reason for reason in counters.REASONS if f"`{reason}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page leads to a file of the project."""
    targets = [part.partition(")")[0] for part in page.read_text(encoding="utf-8").split("](")[1:]]
    broken = [t for t in targets if "://" not in t and not (page.parent / t.partition("#")[0]).exists()]
    assert broken == []


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the pages in a copy of mkdocs.yml and docs/, as `make docs` does."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with copies of the files that `make docs` reads."""
    if not find_spec("mkdocs"):
        pytest.skip("MkDocs is not installed: pip install -e '.[dev]'")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def test_pages_build(copy: Path) -> None:
    """MkDocs builds every page without a warning."""
    done = build(copy)
    assert done.returncode == 0, done.stderr
    pages = {path.stem for path in (copy / "docs").glob("*.md")} - {"index"}
    assert {path.parent.name for path in (copy / "build" / "docs").glob("*/index.html")} == pages


@pytest.mark.parametrize(
    ("addition", "warning"),
    [
        ("[x](no-such-page.md)", "no-such-page.md"),
        ("[x](load.md#no-such-heading)", "no-such-heading"),
        ("[x](../CHANGELOG.md)", "CHANGELOG.md"),
        (None, "orphan.md"),
    ],
)
def test_dead_links_and_orphans_fail(copy: Path, addition: str | None, warning: str) -> None:
    """A link to a missing page or heading, or out of docs/, and a page without navigation, fail by name."""
    place = copy / "docs" / ("index.md" if addition else "orphan.md")
    with place.open("a", encoding="utf-8") as page:
        page.write(f"\n\n{addition or '# A page'}\n")
    done = build(copy)
    assert done.returncode != 0
    assert warning in done.stderr


@pytest.mark.parametrize(
    "reader", ["write a tracker", "write an ingest server", "own a site", "operate", "contribute"]
)
def test_every_reader_is_one_click_from_a_page(reader: str) -> None:
    """docs/index.md has a row with a link for each reader of the README."""
    rows = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    [row] = [row for row in rows if row.startswith(f"| {reader}")]
    assert ".md)" in row


def test_every_term_is_defined_once() -> None:
    """docs/glossary.md defines each term of the conventions exactly once."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    defined = [line.split("**")[1].lower() for line in text.splitlines() if line.startswith("**")]
    assert sorted(defined) == sorted(TERMS.split())
