"""Docstrings, comments, pages and fixtures have no banned openings and no banned phrases."""

import ast
import json
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("conformance", "reference_server", "e2e", "load", "benchmarks", "tools", "tests")
OPENING = re.compile(r"(What|Who|Whoever|Where|Whether|How|That|Those|Nobody|Somebody|One who)\b")
WORN = re.compile(
    r"\b(whoever|somebody|nobody|said of|sees to|see to it|told as|held to|one who|(?-i:is none)|are none|"
    r"there is none|come what may|in vain|(is|are|was|were) told)\b",
    re.IGNORECASE,
)


def sources() -> Iterator[Path]:
    """Yield the Python files of the project."""
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts)


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each docstring of the project."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                line = getattr(node, "lineno", 1)
                if text := ast.get_docstring(node):
                    yield f"{path.relative_to(ROOT)}:{line}", text


def comments() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each comment of the project; one of several lines counts as one."""
    for path in sources():
        with path.open("rb") as file:
            tokens = [token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
        lines = {token.start[0] for token in tokens}
        for token in tokens:
            if token.start[0] - 1 not in lines:
                yield f"{path.relative_to(ROOT)}:{token.start[0]}", token.string.lstrip("# ")


def texts(value: Any) -> Iterator[str]:
    """Yield the titles, reasons and descriptions in the content of a fixture."""
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(member, dict | list):
            yield from texts(member)
        elif isinstance(member, str) and key in ("what", "why", "description"):
            yield member


def fixtures() -> list[Path]:
    """Return the files of requirements, cases and schemas."""
    folder = ROOT / "fixtures"
    return [*folder.glob("*.toml"), *folder.glob("vectors/*/*.json"), *folder.glob("schema/*.json")]


def pages() -> list[Path]:
    """Return the pages of the documentation."""
    return [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    """A docstring begins with a verb or a noun, not with a clause."""
    assert [f"{place}: {text[:60]}" for place, text in docstrings() if OPENING.match(text)] == []


def test_docstrings_have_no_worn_phrase() -> None:
    """Conditions are expressed by if, unless or until, and subjects by name."""
    assert [f"{place}: {found[0]}" for place, text in docstrings() if (found := WORN.search(text))] == []


def test_comments_are_plain() -> None:
    """A comment begins with its subject, and has no banned phrase."""
    found = [(place, text) for place, text in comments() if OPENING.match(text) or WORN.search(text)]
    assert [f"{place}: {text[:60]}" for place, text in found] == []


@pytest.mark.parametrize("path", fixtures(), ids=lambda path: path.name)
def test_fixtures_are_plain(path: Path) -> None:
    """Titles, reasons and descriptions begin with their subject, and have no banned phrase."""
    read = tomllib.loads if path.suffix == ".toml" else json.loads
    found = texts(read(path.read_text(encoding="utf-8")))
    assert [text for text in found if OPENING.match(text) or WORN.search(text)] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_pages_have_no_worn_phrase(page: Path) -> None:
    """Pages of the documentation have no banned phrase."""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    assert [
        f"{page.name}:{number}: {found[0]}" for number, line in lines if (found := WORN.search(line))
    ] == []
