"""Every command of the documentation is run, or at least parsed by the program that it is for."""

import re

import pytest

from tests.package.commands import PAGES, ROOT, Command, Unproved, commands, prove

COMMANDS = list(
    dict.fromkeys(
        command
        for page in PAGES
        for command in commands(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
    )
)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_command(command: Command) -> None:
    """The command runs, or its program knows its subcommands, options, cases and files."""
    prove(command)


def test_commands_are_found() -> None:
    """Each page of the guides has commands, and the first two of the README are among them."""
    places = {command.place for command in COMMANDS}
    assert {"README.md", "CONTRIBUTING.md", "docs/load.md", "docs/test-my-tracker.md"} <= places
    assert Command("README.md", ("make", "check"), True) in COMMANDS


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("clickport chekc", "No such command 'chekc'"),
        ("clickport check --trakcer t.js", "No such option '--trakcer'"),
        ("clickport check --lane trakcer", "'trakcer' is not one of"),
        ("clickport check --only prop-2-32-properties", "prop-2-32-properties"),
        ("clickport check --report pdf=report.pdf", "pdf"),
        ("clickport explain PROP-300", "PROP-300"),
        ("clickport serve --ports 8000", "No such option '--ports'"),
        ("clickport baseline write known.toml", "--issue"),
        ("make tset", "No rule to make target 'tset'"),
        ("make check ARGS='--lanes server'", "No such option '--lanes'"),
        ("python -m reference_server clickhose", "No such command 'clickhose'"),
        ("python tools/mutant.py", "tools/mutant.py"),
        ("python tools/mutants.py mutants.json --id 8", "--id"),
        ("python -m benchmarks.fairness --seconds 3 --minutes 3", "--minutes"),
        ("grep -r PROP-3 fixtures/requirement.toml", "fixtures/requirement.toml does not exist"),
        ("pytest tests/no-such-folder", "tests/no-such-folder does not exist"),
        ("pytest --pyargs conformance --clickport-trakcer=t.js", "--clickport-trakcer"),
        ("locust -f load/locustfile.py --rates 5", "--rates"),
        ("pip install 'clickport-conformance[loads]'", "loads"),
        ("frobnicate --now", "no proof covers frobnicate"),
    ],
)
def test_wrong_commands_are_noticed(words: str, why: str) -> None:
    """A misspelt subcommand, option, case, target or file fails, and so does a program without a proof."""
    [command] = commands(f"```sh\n{words}\n```\n", "page.md")
    with pytest.raises(Unproved, match=re.escape(why)):
        prove(command)
