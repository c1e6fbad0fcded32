"""Commands of the documentation: how they are found in a page, and how each program's are proved."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pytest
from click.testing import CliRunner

from conformance.cli import main as clickport
from conformance.cli.execute import parse_report
from conformance.protocol.cases import UnknownSelector, select
from conformance.protocol.requirements import Lane
from conformance.reports import REPORTS
from reference_server.__main__ import main as reference_server

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / page for page in ("README.md", "CONTRIBUTING.md", "tests/README.md")),
)
# A reader's own dist/ is not that of `make dist`.
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."} - {"build", "dist"}
QUICK = ("doctor", "explain", "list")
"""Commands of clickport that are run as they stand."""
PLACEHOLDER = re.compile(r"[A-Z]{3,}(-[A-Z]+)+|…")
_ASSIGNMENT = re.compile(r"\w+=")
_OPERATORS = frozenset("|&;")
_OF_MAKE = {"ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL"}

Words = Sequence[str]


class Unproved(AssertionError):
    """A documented command that does not work, or that no proof covers; the message says why."""


@dataclass(frozen=True)
class Command:
    """One command of a page: ``block`` if it is a line of a block, not code within a sentence."""

    place: str
    words: tuple[str, ...]
    block: bool

    def __str__(self) -> str:
        return f"{self.place} {shlex.join(self.words)}"


def commands(text: str, place: str) -> Iterator[Command]:
    """Yield each command of a page's sh and console blocks, then those in backticks."""
    for block in re.finditer(r"^ *```(?:sh|console)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in block[1].replace("\\\n", " ").splitlines():
            yield from (Command(place, words, True) for words in simple(line.removeprefix("$ ")))
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    for code in re.finditer(r"`([^`]+)`", prose):
        if code[1].split()[:1] and _program(code[1].split()[0]) in _IN_SENTENCES:
            yield from (Command(place, words, False) for words in simple(" ".join(code[1].split())))


def simple(line: str) -> Iterator[tuple[str, ...]]:
    """Yield the commands that a line of shell joins by pipes and lists, without assignments before them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    for joined, words in groupby(lexer, lambda word: set(word) <= _OPERATORS):
        rest = [word for word in words if word != "exec"]
        while rest and _ASSIGNMENT.match(rest[0]):
            del rest[0]
        if rest and not joined:
            yield tuple(rest)


def prove(command: Command) -> None:
    """Raise Unproved unless the command works, as far as its program's proof goes."""
    program, *words = command.words
    if _program(program) not in PROOFS:
        raise Unproved(f"{command}: no proof covers {program}; add one to PROOFS in {Path(__file__).name}")
    try:
        PROOFS[_program(program)](words)
    except (click.MissingParameter, click.exceptions.NoArgsIsHelpError) as error:
        if command.block:  # In a sentence the name of a command stands for all of its uses.
            raise Unproved(f"{command}: {error.format_message()}") from error
    except (click.ClickException, UnknownSelector, ValueError) as error:
        raise Unproved(f"{command}: {error}") from error
    _files(command.words)


def _program(word: str) -> str:
    """Return the name of a program of .venv, of a folder or of the path."""
    return word.removeprefix("$CLICKPORT/").removeprefix(".venv/bin/")


def _files(words: Words) -> None:
    """Raise Unproved if a word names a file of the project that does not exist."""
    for word in words:
        path = word.removeprefix("$CLICKPORT/")
        if path.partition("/")[0] in FOLDERS and "/" in path and not (ROOT / path).exists():
            raise Unproved(f"{word} does not exist")


def leaves(command: click.Command) -> Iterator[click.Command]:
    """Yield the commands that do something: those of groups, not the groups."""
    if isinstance(command, click.Group):
        context = click.Context(command)  # The commands of `clickport` are imported by name.
        for name in command.list_commands(context):
            if each := command.get_command(context, name):
                yield from leaves(each)
    else:
        yield command


def parse(group: click.Command, words: Words) -> Mapping[str, Any]:
    """Return the values that a command would get, without running it. Raises click.ClickException."""
    got: dict[str, Any] = {}
    with TemporaryDirectory() as folder, chdir(folder), pytest.MonkeyPatch.context() as patch:
        Path("clickport-counterexamples.jsonl").touch()
        for leaf in leaves(group):
            patch.setattr(leaf, "callback", lambda **values: got.update(values))
        group.main(list(words), prog_name="clickport", standalone_mode=False)
    return got


def _clickport(words: Words) -> None:
    if words[:1] == ["serve"]:
        parse(reference_server, words)
        return
    values = parse(clickport, words)
    for text in values.get("reports", ()):
        parse_report(text, REPORTS)
    if "require_all" in values:
        chosen = {name: _known(values[name]) for name in ("only", "skip")}
        select(lanes=list(Lane), only=chosen["only"], skip=chosen["skip"])
    if words[:1] and words[0] in QUICK and "--help" not in words:
        done = CliRunner().invoke(clickport, list(words))
        if done.exit_code:
            raise Unproved(f"exit code {done.exit_code}: {done.output}")


def _known(selectors: Words) -> list[str]:
    return [text for text in selectors if not PLACEHOLDER.search(text)]


def _make(words: Words) -> None:
    """Each target exists, and so does what it would run."""
    # The ARGS of a `make test` under which this runs are not those of the documented command.
    own = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    done = subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False, env=own
    )
    if done.returncode:
        raise Unproved(done.stderr.strip())
    for line in done.stdout.splitlines():
        if ".venv/bin/" in line:
            for recipe in simple(line):
                prove(Command(f"make {shlex.join(words)}", recipe, True))


def _is_module(place: Path) -> bool:
    return place.is_dir() or place.with_suffix(".py").is_file()


def _python(words: Words) -> None:
    """A module or script exists and knows each option that it is given."""
    if words[:2] == ["-m", "reference_server"]:
        parse(reference_server, words[2:])
    elif words[:2] == ["-m", "pytest"]:
        _pytest(words[2:])
    elif words[:1] == ["-m"] and _is_module(ROOT / words[1].replace(".", "/")):
        if any(word.startswith("--") for word in words):
            _options(_help((sys.executable, *words[:2])), words[2:])
    elif words:
        if not (ROOT / words[0].removeprefix("$CLICKPORT/")).is_file():
            raise Unproved(f"{words[0]} is no script of the project")
        if words[1:2] == ["check"]:  # tools/mutants.py hands these on.
            _clickport(words[1:])
        else:
            way = [word for word in words[1:2] if word.isidentifier()]
            if any(word.startswith("--") for word in words):
                _options(_help((sys.executable, words[0], *way)), words[1:])


def _pytest(words: Words) -> None:
    _options(_help((sys.executable, "-m", "pytest")), words)
    for word in words:
        if word.startswith("tests") and not (ROOT / word).exists():
            raise Unproved(f"{word} does not exist")


def _locust(words: Words) -> None:
    """Options are Locust's, or those that the file adds; its help does not show these."""
    added = (ROOT / "load" / "locustfile.py").read_text(encoding="utf-8")
    _options(_help((sys.executable, "-m", "locust")) + added, words)


def _granian(words: Words) -> None:
    _options(_help((sys.executable, "-m", "granian")), words)


def _mkdocs(words: Words) -> None:
    _options(_help((sys.executable, "-m", "mkdocs", *words[:1])), words[1:])


def _options(known: str, words: Words) -> None:
    """Raise Unproved if the text, a program's help, lacks one of the long options."""
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known):
            raise Unproved(f"{option} is no option of it")


@cache
def _help(program: tuple[str, ...]) -> str:
    done = subprocess.run([*program, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unproved(f"{' '.join(program)} --help ends with {done.returncode}: {done.stderr}")
    return done.stdout


def _pip(words: Words) -> None:
    """The distribution is this one and has the extras, or is a dependency of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, _, extras = words[-1].removesuffix("]").partition("[")
    known = {"", *project["optional-dependencies"]}
    needed = {re.split(r"[<>=~;]", text)[0] for text in project["dependencies"]}
    ours = name in (project["name"], ".") and set(extras.split(",")) <= known
    if words[0] != "install" or not (ours or re.split(r"[<>=]", name)[0] in needed):
        raise Unproved(f"{words[-1]} is not this project with extras of {known}, and not a dependency")


def _foreign(_: Words) -> None:
    """Programs of others: that they are there, and their options, is theirs; files are looked for anyway."""


PROOFS: Mapping[str, Callable[[Words], None]] = {
    "clickport": _clickport,
    "make": _make,
    "python": _python,
    "pytest": _pytest,
    "pip": _pip,
    "locust": _locust,
    "granian": _granian,
    "mkdocs": _mkdocs,
    # test_documented_commands.py runs each request that a page sends to the reference server, and
    # tests/server/test_minimal.py those to the minimal one.
    "curl": _foreign,
    **dict.fromkeys(
        ("export", "mkdir", "cp", "grep", "npm", "node", "ssh", "cosmic-ray", "cr-report"), _foreign
    ),
    **dict.fromkeys(("pre-commit", "lint-imports", "ruff", "mypy", "tools/setup.sh"), _foreign),
}
_IN_SENTENCES = frozenset(PROOFS) - {"export"}
