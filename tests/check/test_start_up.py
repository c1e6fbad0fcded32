"""The command starts with what it needs, and not with everything that any of its commands needs."""

import subprocess
import sys

import click
import pytest

from conformance.cli import COMMANDS, main

HEAVY = ("hypothesis", "httpx", "jinja2", "playwright", "pytest", "rich", "selenium")


@pytest.mark.parametrize("words", [["--help"], ["list"]], ids=" ".join)
def test_help_and_list_import_nothing_heavy(words: list[str]) -> None:
    """Each of these modules takes longer to import than the help takes to print."""
    code = (
        "import sys\nfrom conformance.cli import main\n"
        f"main({words!r}, standalone_mode=False)\n"
        f"sys.exit(', '.join({{m.partition('.')[0] for m in sys.modules}} & {set(HEAVY)!r}) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_recorder_loads_what_all_of_them_need() -> None:
    """Every page needs one; only a few forward requests or speak HTTP/2."""
    code = (
        "import sys\nimport conformance.recorder.__main__\n"
        f"sys.exit(', '.join({{*sys.modules}} & {{'h2', *{set(HEAVY)!r}}}) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_table_of_commands_says_what_they_say() -> None:
    """--help shows the short help of each command without importing it."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    assert {name: command and (command.name, command.short_help) for name, command in found.items()} == {
        name: (name, short_help) for name, (_, short_help) in COMMANDS.items()
    }
    assert main.get_command(context, "nothing") is None
