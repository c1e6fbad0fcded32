"""Sound servers pass, with any choice where the requirements leave one."""

import re
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.load.conftest import load

if TYPE_CHECKING:
    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

_READ = "        body = self.rfile.read(int(length))\n"
_TAKEN = "_TAKEN: list[bytes] = []\n\n\nclass Handler(BaseHTTPRequestHandler):\n"
_LIMITS = {
    "by 429": "            return self._answer(429, '')\n",
    "by an answer of 2xx": "            return self._answer(202, '')\n",
}


@pytest.fixture
def odd(mine: "Implementations") -> list[str]:
    """Return the options for the odd server and its readback."""
    mine.copy("server.py")
    events = mine.folder / "events.jsonl"
    events.touch()
    command = shlex.join([sys.executable, str(mine.copy("odd_server.py")), "{port}", str(events)])
    return [
        "--server-cmd",
        command.replace("'{port}'", "{port}"),
        "--readback-cmd",
        f"cat {events}",
    ]


def test_an_odd_server_is_not_blamed(check: "Check", odd: list[str]) -> None:
    """REV-4, PROP-7, PROP-8, WIRE-8: filters, an empty 405, and what a store cannot hold are all allowed."""
    run = check(*odd, "--skip", "prop-6")
    assert run.violated == set(), run.text
    failed = {c["id"]: c["detail"] for c in run.report["cases"] if c["status"] == "fail"}
    assert [(id_, why) for id_, why in failed.items() if id_ in _THAT_ARE_SOUND or "REV-4" in id_] == []
    plain = check(*_plain(odd), "--max-examples", "0", "--skip", "*-verbatim-*")
    expected = {c["id"] for c in plain.report["cases"] if c["status"] == "fail"}
    assert set(failed) <= expected, {id_: failed[id_] for id_ in set(failed) - expected}


_THAT_ARE_SOUND = ("server/wire-8-get", "server/wire-8-put", "server/wire-8-delete")


def _plain(odd: list[str]) -> list[str]:
    return [word.replace("odd_server.py", "server.py") for word in odd]


def test_load_is_sent_as_by_a_browser(odd: list[str], mine: "Implementations") -> None:
    """A server that drops bots stores each event of a load run, and none counts as altered (STORE-5)."""
    run = load(mine.folder, *odd, "--rate", "100", "--for", "2s", "--patience", "5s")
    assert run.code == 0, run.text


@pytest.mark.parametrize("limit", _LIMITS)
def test_a_rate_limit_is_named_in_one_line(check: "Check", mine: "Implementations", limit: str) -> None:
    """A rate limit of 60 events ends the run without a verdict; the message names the remedy."""
    options = mine.server(
        _READ, f"{_READ}        _TAKEN.append(body)\n        if len(_TAKEN) > 60:\n{_LIMITS[limit]}"
    )
    script = mine.folder / "server.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("class Handler(BaseHTTPRequestHandler):\n", _TAKEN), encoding="utf-8")
    run = check(*options, "--lane", "server", "--max-examples", "0")
    assert (run.code, run.violated) == (3, set()), run.text
    [finding] = re.findall("ERROR .*? likewise .*? and [0-9]+ more ", run.text)
    assert "limits how many events it takes from one sender" in finding
    assert "Disable the limit" in finding
