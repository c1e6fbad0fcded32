"""Runs of ``clickport load`` against small servers, each shared by all tests that examine it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.check.conftest import Ended, Implementations, _run

Load = Callable[..., Ended]


def load(folder: Path, *words: str) -> Ended:
    """Run the command in a folder, with a JSON report."""
    return _run(folder, ["-m", "conformance", "load", *words, "--report", "json=report.json"])


# Faults of the small server; they replace the line that stores.
_STORE = '            file.write(json.dumps(row) + "\\n")\n'
_FAULTS = """            _EVENTS.append(row) if row["meta_keys"] else None
            number = len(_EVENTS)
            if number == 150:
                time.sleep(1)
            if number == 200:
                row["meta_values"][-1] += " "
            if number != 100:
                file.write(json.dumps(row) + "\\n")
            if number == 300:
                file.write(json.dumps(row) + "\\n")
"""


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return a run on a server that loses the 100th event, stalls for 1 s, alters one and doubles one."""
    folder = tmp_path_factory.mktemp("faulty")
    mine = Implementations(folder)
    options = mine.server()
    server = folder / "server.py"
    text = server.read_text(encoding="utf-8")
    for before, after in ((_STORE, _FAULTS), ("import sys\n", "import sys\nimport time\n"), *_SETUP):
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    server.write_text(text, encoding="utf-8")
    return load(folder, *options, "--rate", "150", "--for", "4s", "--patience", "2s")


_SETUP = (("_SEEN: set[bytes] = set()\n", "_SEEN: set[bytes] = set()\n_EVENTS: list[object] = []\n"),)


@pytest.fixture(scope="session")
def bundled_run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return a run on the bundled reference server, with a report of each kind."""
    folder = tmp_path_factory.mktemp("bundled")
    kinds = {"junit": "report.xml", "html": "report.html", "md": "report.md"}
    reports = [word for kind, name in kinds.items() for word in ("--report", f"{kind}={name}")]
    return load(folder, "--rate", "150", "--for", "3s", *reports)
