"""Documented runs are made for real, on a reader's files and servers, narrowed to a case of seconds."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.mutants.check_process import CheckProcess
from conformance.targets.process import Process, free_port
from reference_server.storage.embedded import LocalClickHouse
from tests.package.commands import PAGES, ROOT, Command, commands

ONE_CASE = ("--only", "prop-2-31-properties", "--max-examples", "0", "--browser", "chromium", "--jobs", "1")
SELECTORS = ("--only", "--skip", "--lane", "--shard", "--waive")
ONE_CENTS = ("--only", "rev-1-cents", *ONE_CASE[2:])
VENDOR = """
window.vendor = {
  init({ host }) { this.host = host },
  send(label, fields) {
    const texts = Object.fromEntries(Object.entries(fields).slice(0, 30).filter(([, v]) => v !== undefined))
    const body = btoa(unescape(encodeURIComponent(JSON.stringify({ batch: [{ label, fields: texts }] }))))
    fetch(this.host + '/collect', { method: 'POST', body, keepalive: true, mode: 'no-cors' })
  },
}
"""
ROWS = """#!/bin/sh
exec curl --fail --silent "$CLICKHOUSE_URL" -d "SELECT * FROM events
  WHERE timestamp >= parseDateTime64BestEffort('$2') SETTINGS output_format_json_quote_decimals = 1
  FORMAT JSONEachRow"
"""


@dataclass(frozen=True)
class Reader:
    """The folder and the servers of a reader who follows the pages, and a process for commands of checks."""

    folder: Path
    server: str
    clickhouse: str
    process: CheckProcess

    def own(self, word: str, before: str) -> str:
        """Return a word of a command with the reader's own addresses in place of the page's."""
        word = re.sub(r"http://127\.0\.0\.1:8123(/default)?|\$CLICKHOUSE_URL", self.clickhouse, word)
        word = re.sub(r"http://127\.0\.0\.1:800[01]|https://stats\.example", self.server, word)
        if word == "URL" or word.endswith("=URL"):
            is_clickhouse = "clickhouse" in (before if word == "URL" else word)
            word = word.removesuffix("URL") + (self.clickhouse if is_clickhouse else self.server)
        return word

    def words(self, command: Command) -> list[str]:
        """Return all words with the reader's addresses."""
        return [
            self.own(word, before) for before, word in zip(("", *command.words), command.words, strict=False)
        ]

    def check(self, words: list[str]) -> tuple[int, str]:
        """Run a command that checks, in the process that keeps its browser; return exit code and output."""
        code, out, err = self.process.run(words[1:], self.folder, {})
        return code, out + err

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command of this project or curl in the folder."""
        program = [sys.executable, "-m", "conformance"] if words[0] == "clickport" else words[:1]
        if words[0] == "pytest":
            program = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*program, *words[1:]], cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A folder with the files that the pages take for granted, and a server beside a ClickHouse."""
    folder = tmp_path_factory.mktemp("reader")
    page = (ROOT / "docs" / "test-my-tracker.md").read_text(encoding="utf-8")
    for name, language in (("shim.js", "js"), ("mapping.py", "python")):
        [block] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        (folder / name).write_text(block, encoding="utf-8")
    (folder / "vendor.js").write_text(VENDOR, encoding="utf-8")
    for place in ("tracker.js", "t.js", "dist/t.js", "dist/tracker.js"):
        (folder / place).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "tracker" / "tracker.min.js", folder / place)
    (folder / "mypackage").mkdir()
    wsgi = "from reference_server.minimal import create_app\n\napp = create_app()\n"
    (folder / "mypackage" / "web.py").write_text(wsgi, encoding="utf-8")
    ingest = f'#!/bin/sh\nexec {sys.executable} -m reference_server serve "$@"\n'
    for name, script in (("ingest", ingest), ("rows", ROWS)):
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)
    port = free_port()
    with pytest.MonkeyPatch.context() as patch, LocalClickHouse(folder / "clickhouse") as clickhouse:
        patch.setenv("CLICKHOUSE_URL", clickhouse.url)
        serve = [sys.executable, "-m", "reference_server", "serve", "--port", str(port)]
        with Process(serve) as server, closing(CheckProcess(seconds=120, tidy_seconds=30)) as process:
            server.wait_until_listening(port)
            yield Reader(folder, f"http://127.0.0.1:{port}", clickhouse.url, process)


def documented(*starts: str) -> list[Command]:
    """Return the commands of blocks that begin with one of the texts, each once."""
    found = (
        command
        for page in PAGES
        for command in commands(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
        if command.block and " ".join(command.words).startswith(starts)
    )
    return list({command.words: command for command in found}.values())


def narrowed(words: list[str]) -> list[str]:
    """Return the command with a case of seconds in place of those that it selects."""
    rest = [w for before, w in zip(("", *words), words, strict=False) if not {before, w} & set(SELECTORS)]
    if "dashboard" in words or "--dashboard" in words:
        return [*rest, *ONE_CASE, "--lane", "dashboard", "--only", "goal-1-api-exact-name"]
    return [*rest, *ONE_CASE]


def verdict(words: list[str]) -> int:
    """Return the exit code to expect: 4 if rows of a server are to be verified and cannot be read, else 0."""
    of_server = any(
        word.partition("=")[0].endswith(("-server", "-server-cmd", "-server-app")) for word in words
    )
    readback = ("clickhouse", "readback-url", "readback-cmd", "dashboard")
    return 4 if of_server and not any(name in word for name in readback for word in words) else 0


@pytest.mark.parametrize("command", documented("clickport check"), ids=str)
def test_checks(command: Command, reader: Reader) -> None:
    """The command ends with the verdict that the reference deserves, in the lanes of the reader's target."""
    (reader.folder / "known.toml").write_text("", encoding="utf-8")
    words = narrowed(reader.words(command))
    code, output = reader.check(words)
    assert code == verdict(words), output


@pytest.mark.parametrize("command", documented("clickport baseline"), ids=str)
def test_baselines(command: Command, reader: Reader) -> None:
    """The command writes the failures of the last run, which is one with a fault."""
    (reader.folder / "t.js").write_text(in_single_precision(), encoding="utf-8")
    assert reader.check(["clickport", "check", "--tracker", "t.js", *ONE_CENTS])[0] == 1
    done = reader.run(reader.words(command))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rev-1-cents" in (reader.folder / "known.toml").read_text(encoding="utf-8")


def test_failure_of_the_readme(reader: Reader) -> None:
    """Each line of the failure in README.md is printed for its fault, up to the ellipsis."""
    (reader.folder / "rounding.js").write_text(in_single_precision(), encoding="utf-8")
    done = reader.run(["clickport", "check", "--tracker", "rounding.js", *ONE_CENTS])
    assert done.returncode == 1, done.stdout + done.stderr
    printed = without_token(done.stdout)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```\n(FAIL.*?)^```", readme, re.MULTILINE | re.DOTALL)
    for line in block.replace("t.js", "rounding.js").splitlines():
        assert without_token(line).removesuffix("… ") in printed


def without_token(text: str) -> str:
    """Return the words of a text between single spaces, with TOKEN for the token of a run."""
    return re.sub(r"\bcp[0-9a-f]{17}\b", "TOKEN", f" {' '.join(text.split())} ")


def in_single_precision() -> str:
    """Return the reference tracker with amounts rounded to 32 bits."""
    source = (ROOT / "tracker" / "tracker.js").read_text(encoding="utf-8")
    sound, faulty = "',\"ra\":' + amount", "',\"ra\":' + Math.fround(amount)"
    assert source.count(sound) == 1
    return source.replace(sound, faulty)


@pytest.mark.parametrize("command", documented("pytest --pyargs"), ids=str)
def test_pytest_runs(command: Command, reader: Reader) -> None:
    """The command ends as `clickport check` does."""
    words = [word for word in reader.words(command) if not word.startswith("--clickport-waive")]
    one = ["--clickport-max-examples=0", "--clickport-browser=chromium", "-k", "prop-2-31-properties"]
    done = reader.run([*words, *one])
    assert done.returncode == verdict(words), done.stdout + done.stderr


@pytest.mark.parametrize("command", documented("clickport fuzz"), ids=str)
def test_searches(command: Command, reader: Reader) -> None:
    """The command finds no violation in a second; a condition may have no applicable example yet."""
    code, output = reader.check([*reader.words(command), "--for", "1s", "--browser", "chromium"])
    assert code in (0, 4), output


# Without words of its own, it is the run of tests/load.
LOADS = [command for command in documented("clickport load") if command.words != ("clickport", "load")]


@pytest.mark.parametrize("command", LOADS, ids=str)
def test_loads(command: Command, reader: Reader) -> None:
    """The command sends its load for two seconds and counts the rows."""
    done = reader.run([*reader.words(command), "--for", "2s", "--rate", "20"])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("command", documented("curl http", "curl 'http"), ids=str)
def test_requests(command: Command, reader: Reader) -> None:
    """The reference server answers the request with a 2xx."""
    done = reader.run([*reader.words(command), "--fail-with-body", "--silent", "--show-error"])
    assert done.returncode == 0, done.stdout + done.stderr
