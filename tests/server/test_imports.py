"""Import of history: within the limits of events, all or nothing, once, by the API and the command."""

import gzip
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from reference_server.runtime.demo_data import lines as demo_lines
from tests.server.reading import NOW

SITE = "example.com"
DAY = "2025-03-01"


def line(name: str, at: Any = f"{DAY}T12:00:00Z", **fields: Any) -> bytes:
    """Return a line of an import."""
    return json.dumps({"t": "e", "n": name, "at": at, "v": "ann", **fields}).encode() + b"\n"


def send(server: Any, body: bytes, **arguments: str) -> httpx.Response:
    """Import a body by the API."""
    path = f"/api/sites/{SITE}/import"
    headers = {"Content-Type": "application/x-ndjson"}
    answer: httpx.Response = server.http.post(path, params=arguments, content=body, headers=headers)
    return answer


def import_file(server: Any, path: Path, site: str = SITE, url: str = "") -> subprocess.CompletedProcess[str]:
    """Import a file by the command."""
    words = [sys.executable, "-m", "reference_server", "import", str(path)]
    command = [*words, "--site", site, "--url", url or server.url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def count(server: Any, name: str) -> dict[str, Any]:
    """Return the count and the other figures of an event on DAY."""
    path = f"/api/sites/{SITE}/events"
    days = {"from": "2025-01-01", "to": "2025-12-31", "search": name}
    events = server.http.get(path, params=days).json()["events"]
    return events[0] if events else {}


def test_an_import_is_stored_once(server: Any, token: str) -> None:
    """Whatever is repeated; the limits are those of events, and every month is stored."""
    body = (
        line(token, mk=["plan"] * 31, mv=["x" * 2001] * 31, ra=49.99, rc="eur")
        + b"\n"
        + line(token, 1_746_057_600_000, v="bob")
        + line(token, "2025-06-01T00:30:00+02:00", t="p", n="")
    )
    first, again = send(server, body), send(server, body)
    assert (first.json()["events"], first.json()["stored"], again.json()["stored"]) == (3, 3, 0)
    found = count(server, token)
    assert (found["count"], found["visitors"]) == (2, 2)
    assert found["revenue"] == [{"currency": "EUR", "amount": "49.99"}]
    named = send(server, body, id=token)
    assert (named.json()["stored"], count(server, token)["count"]) == (3, 4)
    other = send(server, line(token), id=token)
    assert (other.status_code, "another content" in other.json()["error"]) == (409, True)
    path = f"/api/sites/{SITE}/events/properties"
    days = {"from": DAY, "to": DAY}
    values = server.http.get(path, params={"name": token, "property": "plan", **days}).json()
    assert values["values"] == [{"value": "x" * 2000, "count": 60}]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"\xff", "not UTF-8"),
        (b'{"t": "e", "n": ""}', "n must be the name"),
        (line("a", "yesterday"), "at must be a time such as"),
        (line("a", "2025-03-01T12:00:00"), "at must be a time such as"),
        (line("a", True), "at must be a time such as"),
        (line("a", 10**30), "at must be a time such as"),
        (line("a", "1999-12-31T23:59:59Z"), "between 2000-01-01 and now"),
        (line("a", "2099-01-01T00:00:00Z"), "between 2000-01-01 and now"),
        (line("a", v=7), "v must be a text"),
        (line("a", v="v" * 1001), "v must be a text"),
        (line("a", d="other.example"), "d is another site than example.com"),
        (line("n" * 40_001), "at most 40,000 bytes"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_imported(server: Any, token: str, bad: bytes, reason: str) -> None:
    """By its number, with the reason; the other lines are not stored."""
    answer = send(server, line(token) + b"\n" + bad + b"\n" + line(token))
    assert answer.status_code == 400
    [wrong] = answer.json()["lines"]
    assert (wrong["line"] in (3, 4), reason in wrong["error"]) == (True, True)
    assert count(server, token) == {}


def test_lines_are_read_like_those_of_a_tracker(server: Any, token: str) -> None:
    """With a byte-order mark before all lines, CRLF, lower-case times, and lone surrogates in any text."""
    lone = line(token).replace(b'"ann"', b'"\\ud800", "mk": ["k"], "mv": ["\\ud83d"]')
    lines = line(token, f"{DAY.lower()}t12:00:00z") + lone + line(token)
    answer = send(server, b"\xef\xbb\xbf\r\n" + lines.replace(b"\n", b"\r\n"))
    assert (answer.status_code, count(server, token)["count"]) == (200, 3)


def test_what_was_changed_is_told(server: Any, token: str, tmp_path: Path) -> None:
    """By the API once for each reason, with the first line; by the command with the line of the file."""
    paid = line(token, ra=5, rc="euros")
    answer = send(server, line(token) + paid + paid + line(token, ra=5), check="1").json()
    told = [(note["code"], note["line"], note["lines"]) for note in answer["notes"]]
    assert told == [("bad-currency", 2, 2), ("default-currency", 4, 1)]
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"".join(line(token, v=f"{n}") for n in range(5_001)) + paid)
    found = import_file(server, file)
    assert found.stdout == "5,002 events, 5,002 of them new\n"
    assert found.stderr == "line 5002: rc is not a three-letter code: revenue dropped\n"


def test_a_compressed_file_is_imported(server: Any, token: str, tmp_path: Path) -> None:
    """A compressed file is the same import as the plain one; half a file is refused."""
    plain, packed, half = (tmp_path / name for name in ("plain", "packed.gz", "half.gz"))
    plain.write_bytes(line(token) * 2)
    packed.write_bytes(gzip.compress(line(token) * 2))
    half.write_bytes(packed.read_bytes()[:-10])
    assert import_file(server, packed).stdout == "2 events, 2 of them new\n"
    assert import_file(server, plain).stdout == "2 events, 0 of them new\n"
    found = import_file(server, half)
    assert (found.returncode, "cannot be unpacked" in found.stderr) == (1, True)
    path = f"/api/sites/{SITE}/import"
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    refused = server.http.post(path, content=packed.read_bytes(), headers=headers)
    assert (refused.status_code, "not compressed" in refused.text) == (415, True)


def test_other_types_and_sizes_are_refused(server: Any) -> None:
    """A form of another site cannot import, and a body has a limit."""
    path = f"/api/sites/{SITE}/import"
    assert server.http.post(path, content=line("a")).status_code == 415
    assert send(server, b" " * (1024**2 + 1)).status_code == 413


def test_the_command_imports_a_file_in_parts(server: Any, token: str, tmp_path: Path) -> None:
    """5,200 lines, more than a request has; again, nothing is new; wrong lines are all listed."""
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"".join(line(token, v=f"{n}") for n in range(5_200)))
    assert import_file(server, file).stdout == "5,200 events, 5,200 of them new\n"
    assert import_file(server, file).stdout == "5,200 events, 0 of them new\n"
    assert count(server, token)["count"] == 5_200
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_bytes(line("a", at=None) + line(token) * 5_100 + b"nonsense\n")
    found = import_file(server, wrong)
    assert (found.returncode, count(server, token)["count"]) == (1, 5_200)
    assert "line 1: at must be a time" in found.stderr
    assert "line 5102: the body is not JSON" in found.stderr
    nobody = import_file(server, file, url="http://127.0.0.1:9")
    assert (nobody.returncode, "does not answer" in nobody.stderr) == (3, True)
    stranger = import_file(server, file, site="stranger.example")
    assert (stranger.returncode, "no such site" in stranger.stderr) == (3, True)


def test_the_demo_is_the_same_each_time() -> None:
    """A year of events that an import takes, none of them in the future."""
    made = list(demo_lines(NOW))
    assert made == list(demo_lines(NOW))
    events = [json.loads(each) for each in made]
    assert max(event["at"] for event in events) <= f"{NOW:%Y-%m-%dT%H:%M:%S}.789Z"
    assert len({event["at"][:10] for event in events}) > 360
    assert len(made) > 20_000


def test_the_demo_ends_without_a_trace(tmp_path: Path) -> None:
    """The demo shows a year of conversions in every environment, and its folder is gone after Ctrl-C."""
    command = [sys.executable, "-m", "reference_server", "demo", "--port", "0"]
    env = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "CLICKPORT_API_KEYS": f"ck_{uuid.uuid4().hex}",
        "CLICKPORT_SITES": "other.example",
        "CLICKPORT_SECRET_FILE": "/does/not/exist",
        "CLICKHOUSE_CLUSTER": "other",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout
            told = process.stdout.readline()
            assert told.startswith("A year of shop.example, ")
            url = told.partition("events: ")[2].partition("/shop")[0]
            goals = httpx.get(f"{url}/api/sites/shop.example/goals?period=12m", trust_env=False).json()[
                "goals"
            ]
            assert [goal["event_name"] for goal in goals] == ["Signup", "Purchase"]
            assert all(goal["conversions"] > 100 for goal in goals)
        finally:
            process.send_signal(2)
            assert process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []
