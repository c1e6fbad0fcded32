"""`clickport audit`: each wire fault is named by its requirement, and a sound capture is clean."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from tests.site.conftest import body, entry, har

Run = Callable[..., Result]
PROPERTIES = {"plan": "pro"}
GOOD = (
    entry(body(), headers={"Content-Type": "text/plain;charset=UTF-8"}, _resourceType="fetch"),
    entry(body("Purchase", {}, ra=49.99, rc="EUR"), at="2026-11-29T12:00:01.000Z"),
    entry({"t": "p", "u": "https://shop.example/"}),
    entry(None, method="GET", path="/"),
)
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "get": (entry(None, method="GET"), "WIRE-1"),
    "other path": (entry(body(), path="/collect"), "WIRE-1"),
    "not json": (entry("name=Signup"), "WIRE-2"),
    "array": (entry([body()]), "WIRE-2"),
    "no name": (entry(body(None)), "WIRE-2"),
    "number as name": (entry(body(7)), "WIRE-2"),
    "other type": (entry({**body(), "t": "custom"}), "WIRE-2"),
    "NaN": (entry('{"t": "e", "n": "x", "ra": NaN, "rc": "USD"}'), "WIRE-2"),
    "lengths": (entry({**body(), "mv": []}), "WIRE-3"),
    "object": (entry({"t": "e", "n": "x", "mk": PROPERTIES, "mv": []}), "WIRE-3"),
    "key": (entry({"t": "e", "n": "x", "mk": [1], "mv": ["x"]}), "WIRE-3"),
    "31 properties": (entry(body("x", {f"k{n}": "v" for n in range(31)})), "PROP-2"),
    "2001 characters": (entry(body("x", {"k": "é" * 2001})), "PROP-3"),
    "number": (entry(body("x", {"k": 42})), "PROP-5"),
    "null": (entry(body("x", {"k": None})), "PROP-5"),
    "lone surrogate": (entry(body("x", {"k": "\ud83d"})), "PROP-6"),
    "amount as text": (entry(body("x", {}, ra="49.99", rc="EUR")), "REV-1"),
    "price tag": (entry(body("x", {}, ra="$49.99", rc="USD")), "REV-1"),
    "no currency": (entry(body("x", {}, ra=1)), "REV-2"),
    "currency alone": (entry(body("x", {}, rc="EUR")), "REV-4"),
    "null amount": (entry(body("x", {}, ra=None)), "REV-4"),
    "preflight": (entry(None, method="OPTIONS"), "WIRE-5"),
    "cookie": (entry(body("Other", {}), headers={"Cookie": "a=b"}), "WIRE-5"),
    "own header": (entry(body("Other", {}), headers={"X-Key": "1"}), "WIRE-5"),
    "beacon": (entry(body(), _resourceType="ping"), "DELIV-1"),
    "refused": (entry(body(), status=400), "WIRE-6"),
    "twice": (entry(body("Purchase", {}, ra=49.99, rc="EUR"), at="2026-11-29T12:00:01.050Z"), "WIRE-4"),
}


def words(result: Result, word: str) -> list[str]:
    """Return the requirements of the lines that begin with a word."""
    return [line.split()[1] for line in result.output.splitlines() if line.startswith(word)]


def test_sound_capture(folder: Path, clickport: Run) -> None:
    """A sound capture ends with 0, and names what it does not prove."""
    har(folder / "shop.har", *GOOD)
    done = clickport("audit", "shop.har")
    assert done.exit_code == 0, done.output
    assert (words(done, "FAIL"), words(done, "WARN")) == ([], [])
    assert "shop.har: no violation; " in done.output
    unproved = [line for line in done.output.splitlines() if line.startswith("not proved: ")]
    named = {id_ for line in unproved for id_ in line.split(": ")[1].split(", ")}
    assert {"API-1", "DELIV-2", "STORE-1", "WIRE-4", "DELIV-1", "WIRE-5"} <= named


@pytest.mark.parametrize(("fault", "id_"), FAULTS.values(), ids=list(FAULTS))
def test_each_fault_is_named(folder: Path, clickport: Run, fault: dict[str, Any], id_: str) -> None:
    """One faulty request fails its requirement and no other; SHOULD warns, and fails with --strict."""
    har(folder / "shop.har", *GOOD, fault)
    done = clickport("audit", "shop.har")
    should = id_ in ("WIRE-4", "WIRE-5", "PROP-6")
    found = [each for each in words(done, "WARN" if should else "FAIL") if not each.startswith("LINT")]
    assert found == [id_], done.output
    assert "shop.har, entry 5: " in done.output
    assert done.exit_code == (0 if should else 1)
    assert clickport("audit", "shop.har", "--strict").exit_code == 1


def test_what_is_not_proved_is_not_green(folder: Path, clickport: Run) -> None:
    """In the JSON report no unproved requirement passed; the proved ones did."""
    har(folder / "shop.har", *GOOD)
    clickport("audit", "shop.har", "--report", "json=report.json")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    status = {row["id"]: row["status"] for row in report["requirements"]}
    assert {id_ for id_, each in status.items() if each == "pass"} == {
        *("PROP-2", "PROP-3", "PROP-5", "PROP-6", "REV-1", "REV-2", "REV-4", "WIRE-1", "WIRE-2", "WIRE-3"),
        *("WIRE-6", "LINT-1", "LINT-2", "LINT-3", "LINT-4", "LINT-5"),
    }
    assert status["DELIV-2"] == status["STORE-1"] == "not-run"
    assert report["partial"] is True


@pytest.mark.parametrize("command", [("audit",), ("plan", "check")])
def test_json_is_that_of_the_schema(folder: Path, clickport: Run, command: tuple[str, ...]) -> None:
    """The JSON reports of audit and plan have the shape of every JSON report."""
    har(folder / "shop.har", *GOOD, FAULTS["price tag"][0])
    clickport(*command, "shop.har", "--report", "json=report.json")
    schema = json.loads(bundled("fixtures/schema/report.schema.json").read_text(encoding="utf-8"))
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(report)


def test_cookies_of_a_whole_export(folder: Path, clickport: Run) -> None:
    """If the export has the cookies of other requests, their absence from events is proved."""
    page = entry(None, method="GET", path="/", headers={"Cookie": "a=b"})
    har(folder / "shop.har", *GOOD, page)
    [line] = [each for each in clickport("audit", "shop.har").output.splitlines() if "WIRE-4" in each]
    assert "WIRE-5" not in clickport("audit", "shop.har").output
    assert line.startswith("not proved: ")


@pytest.mark.parametrize(
    ("creator", "setting"),
    [
        ("WebInspector", "Export HAR (with sensitive data)"),
        ("Firefox", "Persist Logs"),
        ("WebKit Web Inspector", "Preserve Log"),
        ("Playwright", "record_har_path"),
        ("Charles", "open the Network panel"),
    ],
)
def test_missing_bodies(folder: Path, clickport: Run, creator: str, setting: str) -> None:
    """A request without its body ends with 4 and names the setting of the browser that made the file."""
    har(folder / "shop.har", *GOOD, entry(None), creator=creator)
    done = clickport("audit", "shop.har")
    assert done.exit_code == 4, done.output
    assert "1 of 4 requests to /api/event have no body" in done.output
    assert setting in done.output


def test_a_violation_counts_although_bodies_are_missing(folder: Path, clickport: Run) -> None:
    """A violation that is proved is one, whatever else is missing."""
    har(folder / "shop.har", entry(None), FAULTS["price tag"][0])
    assert clickport("audit", "shop.har").exit_code == 1


def test_no_event(folder: Path, clickport: Run) -> None:
    """A capture without events verifies nothing."""
    har(folder / "shop.har", *GOOD[2:])
    done = clickport("audit", "shop.har")
    assert (done.exit_code, "events or their bodies are missing" in done.output) == (4, True)


def test_lost_events_are_told(folder: Path, clickport: Run) -> None:
    """An event without an answer is named; whether it arrived is open."""
    har(folder / "shop.har", *GOOD, entry(body("Exit", {}), status=0))
    done = clickport("audit", "shop.har")
    assert "1 events without an answer (entries 5)" in done.output


def test_folder(folder: Path, clickport: Run) -> None:
    """Each HAR of a folder is read; a folder without one is a usage error."""
    (folder / "hars").mkdir()
    assert clickport("audit", "hars").exit_code == 2
    har(folder / "hars" / "one.har", *GOOD)
    har(folder / "hars" / "two.har", FAULTS["no name"][0])
    done = clickport("audit", "hars")
    assert (done.exit_code, "two.har, entry 1: n is null" in done.output) == (1, True)


@pytest.mark.parametrize("text", ["", "[]", '{"log": 1}', '{"log": {"entries": [1]}}', "[" * 100_000])
def test_malformed_files(folder: Path, clickport: Run, text: str) -> None:
    """A file that is no HAR ends with 2 and one line."""
    (folder / "shop.har").write_text(text, encoding="utf-8")
    done = clickport("audit", "shop.har")
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    assert "shop.har" in done.output


def test_no_secret_is_reported(folder: Path, clickport: Run) -> None:
    """Cookies and credentials of a capture are in no report."""
    fault = entry(body("x", {"k": 1}), headers={"Cookie": "sid=s3cr3t", "Authorization": "Bearer s3cr3t"})
    har(folder / "shop.har", fault)
    done = clickport("audit", "shop.har", "--report", "json=report.json", "--report", "html=report.html")
    texts = (
        done.output,
        *((folder / name).read_text(encoding="utf-8") for name in ("report.json", "report.html")),
    )
    assert all("s3cr3t" not in text for text in texts)
