"""Every path in the maps of the project exists: the architecture, CONTRIBUTING.md and tests/README.md."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.protocol.cases import catalogue

ROOT = Path(__file__).parents[2]
MAPS = ("docs/architecture.md", "CONTRIBUTING.md", "tests/README.md")
SUFFIXES = ("css", "html", "js", "json", "jsonl", "md", "mjs", "py", "sh", "toml", "txt", "yaml", "yml")
MADE = {"clickport-run.jsonl", "clickport.toml"}
"""Files that a run makes or that a user may write."""
_PATH = re.compile(rf"[\w.*-]+(/[\w.*-]+)*(/|\.({'|'.join(SUFFIXES)}))|[\w.*-]+(/[\w.*-]+)+")
_PLACEHOLDER = re.compile(r"\b(YOUR-)?[A-Z]{4}(?=[./])")


def paths(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, path and the folder of the path before, for each path in backticks.

    A command in backticks is left to test_documented_commands.py, and a URL's path, a payload or a pattern
    with other characters is no path. A case's id looks like a path but is left out.
    """
    cases = {case.id for case in catalogue()}
    prose = re.sub(r"^ *```.*?^ *```", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)
    for number, line in enumerate(prose.splitlines(), 1):
        before = ""
        for code in re.findall(r"`([^`]+)`", line):
            if _PATH.fullmatch(code) and code not in cases | MADE:
                yield number, code, before
                before = code.rpartition("/")[0] or before


def exists(path: str, beside: str, home: str) -> bool:
    """Return whether a path exists from the root, the page's folder or the folder of the path before it.

    NAME in a path is whatever the reader chooses.
    """
    pattern = _PLACEHOLDER.sub("*", path).rstrip("/")
    return any(any((ROOT / folder).glob(pattern)) for folder in ("", home, beside))


def missing(text: str, home: str) -> list[str]:
    """Return the paths of a page in a folder that do not exist, each with its line."""
    return [f"{n}: {path}" for n, path, beside in paths(text) if not exists(path, beside, home)]


@pytest.mark.parametrize("page", MAPS)
def test_paths_exist(page: str) -> None:
    """Each path in backticks is a file or folder of the project, and the page has some."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(list(paths(text))) >= 10
    assert missing(text, page.rpartition("/")[0]) == []


@pytest.mark.parametrize(
    ("text", "home", "wrong"),
    [
        ("see `conformance/runner/run.py`", "", []),
        ("see `conformance/runner/runs.py`", "", ["1: conformance/runner/runs.py"]),
        ("\n`tests/server/test_outbox.py`, `test_damage.py`", "", []),
        ("\n`tests/server/test_outbox.py`, `test_domage.py`", "", ["2: test_domage.py"]),
        ("`core/`, `protocol/`", "tests", ["1: core/"]),
        ("`benchmarks/published/shims/NAME.js`", "", []),
        ("`benchmarks/published/shim/NAME.js`", "", ["1: benchmarks/published/shim/NAME.js"]),
        ("`POST /api/event`, `/healthz`, `server/prop-3-fuzz`, `clickport-run.jsonl`", "", []),
    ],
)
def test_missing_paths_are_noticed(text: str, home: str, wrong: list[str]) -> None:
    """A path that is no longer there is named with its line."""
    assert missing(text, home) == wrong


def unknown_names(section: str) -> list[str]:
    """Return the names in backticks that the file before them in their row of a table does not contain."""
    unknown = []
    for row in section.splitlines():
        source = ""
        for code in re.findall(r"`([^`]+)`", row):
            if (ROOT / code).is_file():
                source = (ROOT / code).read_text(encoding="utf-8")
            elif source and re.fullmatch(r"\w+|\[[A-Z0-9-]+\]|kills = .*", code) and code not in source:
                unknown.append(code)
    return unknown


def test_names_on_the_trail_of_a_requirement_exist() -> None:
    """Each function and table that docs/architecture.md names for PROP-3 is in the file that it names."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## Follow one requirement$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert unknown_names(section) == []
    assert unknown_names(section.replace("`cut`", "`cutt`").replace("`judge`", "`judges`")) == [
        "cutt",
        "judges",
    ]


def test_every_folder_of_tests_is_on_its_map() -> None:
    """tests/README.md has a row for each folder of tests/."""
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert {name for name in folders if f"`{name}/`" not in text} == set()


def test_every_folder_of_the_project_is_on_its_map() -> None:
    """CONTRIBUTING.md names each folder of the project, of conformance/ and of reference_server/."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tracked = [
        path
        for parent in ("", "conformance", "reference_server")
        for path in (ROOT / parent).iterdir()
        if path.is_dir() and path.name[0] not in "._" and path.name not in ("build", "dist")
    ]
    assert [path.name for path in tracked if f"{path.name}/`" not in text] == []


@pytest.mark.parametrize("name", ["Dockerfile", "Makefile", "action.yml", "ci/gitlab.yml", "mkdocs.yml"])
def test_paths_in_comments_exist(name: str) -> None:
    """Each page, test and tool that a comment or a help text names is a file of the project."""
    comments = "\n".join(re.findall(r"#.*", (ROOT / name).read_text(encoding="utf-8")))
    named = re.findall(r"\b(?:docs|tests|tools)/[\w./*-]+\.(?:py|md|sh|txt)\b", comments)
    assert [path for path in named if not any(ROOT.glob(path))] == []
