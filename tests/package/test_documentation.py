"""The documentation agrees with the code."""

import re
import shutil
import subprocess
import sys
import tomllib
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
    plan capture vector scenario sentinel canary baseline waiver note node
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


def test_published_trackers_are_described_as_in_their_template() -> None:
    """docs/published-trackers.md is benchmarks/published/page.md, with a day and tables."""
    page = (ROOT / "docs" / "published-trackers.md").read_text(encoding="utf-8")
    template = (ROOT / "benchmarks" / "published" / "page.md").read_text(encoding="utf-8")
    parts = re.split(r"\{\{day\}\}|\{\{tables\}\}", template)
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}".join(map(re.escape, parts[:2])) + ".*", page, re.DOTALL)
    assert page.endswith(parts[2])


def test_reference_names_every_requirement() -> None:
    """Every requirement id is a row of the reference."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert [id_ for id_ in requirements() if f"| {id_} |" not in text] == []


def test_every_variable_and_reason_of_the_server_is_explained() -> None:
    """docs/run-the-server.md has exactly one row for each variable, and names each reason."""
    text = (ROOT / "docs" / "run-the-server.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `CL")}
    own = {"CLICKPORT_STARTED"}  # Set by `serve` for its workers.
    assert rows == {variable for variable, _ in config._VARIABLES.values()} - own
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


def readers() -> list[str]:
    """Return the first column of the README's table of readers."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [table] = re.findall(r"^## Who it is for$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    return [row.split("|")[1].strip() for row in table.strip().splitlines()[2:]]


@pytest.mark.parametrize("reader", readers())
def test_every_reader_is_one_click_from_a_page(reader: str) -> None:
    """docs/index.md and the README have a row for each reader of the README, with a link in it."""
    for page in ("docs/index.md", "README.md"):
        rows = (ROOT / page).read_text(encoding="utf-8").splitlines()
        [row] = [row for row in rows if row.startswith(f"| {reader} |")]
        assert ".md)" in row


@pytest.mark.parametrize("number", [0, 1], ids=["harness", "server"])
def test_layers_are_those_of_the_linter(number: int) -> None:
    """docs/architecture.md draws the layers that pyproject.toml tells import-linter, from the top down."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = linter["contracts"][number]["layers"]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    [drawing] = re.findall(r"^```\n harness \(.*?\n\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    columns = [(line + " " * 51)[slice(*((0, 51), (51, None))[number])] for line in drawing.splitlines()]
    drawn = [set(column.strip().split(", ")) for column in columns if column.strip()]
    assert drawn == [{name.strip().partition(".")[2] for name in layer.split("|")} for layer in layers]


def test_linters_before_a_commit_are_those_of_make_lint() -> None:
    """.pre-commit-config.yaml runs each command of `make lint`."""
    dry = subprocess.run(
        ["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    linters = [line for line in dry.splitlines() if line.startswith(".venv/bin/")]
    assert len(linters) >= 4
    assert [line for line in linters if f"entry: {line}" not in hooks] == []


def test_every_term_is_defined_once() -> None:
    """docs/glossary.md defines each term of the conventions exactly once."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    defined = [line.split("**")[1].lower() for line in text.splitlines() if line.startswith("**")]
    assert sorted(defined) == sorted([*TERMS.split(), "requirement set"])
