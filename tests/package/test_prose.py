"""Docstrings and pages have no banned openings and no banned phrases."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("conformance", "reference_server", "e2e", "load", "benchmarks", "tools", "tests")
OPENING = re.compile(r"(What|Who|Whoever|Where|Whether|How|That|Those|Nobody|Somebody|One who)\b")
WORN = re.compile(
    r"\b(whoever|somebody|nobody|said of|sees to|see to it|told as|held to|one who|(?-i:is none)|are none|"
    r"there is none|come what may|in vain)\b",
    re.IGNORECASE,
)


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each docstring of the project."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    line = getattr(node, "lineno", 1)
                    if text := ast.get_docstring(node):
                        yield f"{path.relative_to(ROOT)}:{line}", text


def pages() -> list[Path]:
    """Return the pages of the documentation."""
    return [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    """A docstring begins with a verb or a noun, not with a clause."""
    assert [f"{place}: {text[:60]}" for place, text in docstrings() if OPENING.match(text)] == []


def test_docstrings_have_no_worn_phrase() -> None:
    """Conditions are expressed by if, unless or until, and subjects by name."""
    assert [f"{place}: {found[0]}" for place, text in docstrings() if (found := WORN.search(text))] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_pages_have_no_worn_phrase(page: Path) -> None:
    """Pages of the documentation have no banned phrase."""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    assert [
        f"{page.name}:{number}: {found[0]}" for number, line in lines if (found := WORN.search(line))
    ] == []
