"""`clickport audit`: each wire fault is named by its requirement, and a sound capture is clean."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from conformance.site.audit import audit
from conformance.site.har import read_captures
from tests.site.conftest import body, entry, har

Run = Callable[..., Result]
PROPERTIES = {"plan": "pro"}
FROM_BROWSERS = {
    **{":authority": "stats.example", ":method": "POST", "Accept": "*/*", "Accept-Encoding": "gzip, br"},
    **{"Accept-Language": "de", "Cache-Control": "no-cache", "Connection": "keep-alive", "DNT": "1"},
    **{"Content-Length": "44", "Content-Type": "text/plain; charset=UTF-8", "Host": "stats.example"},
    **{"Origin": "https://shop.example", "Pragma": "no-cache", "priority": "u=4", "TE": "trailers"},
    **{"sec-ch-ua": '"Chromium";v="156"', "Sec-Fetch-Mode": "cors", "Sec-GPC": "1", "User-Agent": "x"},
}
"""Headers as Chromium 156 and Firefox 153 export them, in HTTP/1.1 and HTTP/2."""
SECRETS = {"Cookie": "sid=s3cr3t", "Authorization": "Bearer s3cr3t", "Api-Key": "s3cr3t"}
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
    "authorization": (entry(body("Other", {}), headers={"authorization": "Bearer x"}), "WIRE-5"),
    "json type": (entry(body("Other", {}), headers={"content-type": "application/json"}), "WIRE-5"),
    "key without X-": (entry(body("Other", {}), headers={"Api-Key": "1"}), "WIRE-5"),
    "empty": (entry(None, headers={"Content-Length": "0"}), "WIRE-2"),
    "beacon": (entry(body(), _resourceType="ping"), "DELIV-1"),
    "form": (entry(body(), headers={"Sec-Fetch-Dest": "document"}), "DELIV-1"),
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


def test_headers_of_browsers_are_not_the_page_s_own(folder: Path, clickport: Run) -> None:
    """Headers that browsers add, and those that need no preflight, are not held against the tracker."""
    payload = body("Other", {})
    assert len(json.dumps(payload)) == int(FROM_BROWSERS["Content-Length"])
    har(folder / "shop.har", entry(payload, headers=FROM_BROWSERS))
    assert words(clickport("audit", "shop.har"), "WARN") == []


def test_preflight_names_its_reason(folder: Path, clickport: Run) -> None:
    """Of Cache-Control, which browsers add as well, the preflight tells that a script set it."""
    asked = {"Access-Control-Request-Headers": "cache-control"}
    har(folder / "shop.har", *GOOD, entry(None, method="OPTIONS", headers=asked))
    line = (
        "WARN  WIRE-5  shop.har, entry 5: a CORS preflight was sent before an event, because of cache-control"
    )
    assert line in clickport("audit", "shop.har").output


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
        ("WebInspector", "'Keep log'"),
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


def test_a_body_that_was_cut_off_is_missing(folder: Path, clickport: Run) -> None:
    """Firefox cuts bodies of more than 1 MiB off: the rest is not judged as if the page had sent no JSON."""
    cut = entry('{"t": "e", "n": "é', headers={"Content-Length": "2000000"})
    har(folder / "shop.har", *GOOD, cut, creator="Firefox")
    done = clickport("audit", "shop.har")
    assert (done.exit_code, "1 of 4 requests to /api/event have no body" in done.output) == (4, True)


def test_no_setting_is_advised_for_requests_that_failed(folder: Path, clickport: Run) -> None:
    """Firefox has no body of a request that could not be sent: the entry is named, the verdict open."""
    har(folder / "shop.har", *GOOD, entry(None, status=0), creator="Firefox")
    done = clickport("audit", "shop.har")
    assert done.exit_code == 4
    assert (
        "1 request to /api/event failed, and the export has no body (entry 5): capture again" in done.output
    )
    assert "Persist Logs" not in done.output


def test_a_violation_counts_although_bodies_are_missing(folder: Path, clickport: Run) -> None:
    """A violation that is proved is one, whatever else is missing."""
    har(folder / "shop.har", entry(None), FAULTS["price tag"][0])
    assert clickport("audit", "shop.har").exit_code == 1


def test_no_event(folder: Path, clickport: Run) -> None:
    """A capture without events verifies nothing."""
    har(folder / "shop.har", *GOOD[2:])
    done = clickport("audit", "shop.har")
    assert (done.exit_code, "events or their bodies are missing" in done.output) == (4, True)


def test_lost_events_are_reported(folder: Path, clickport: Run) -> None:
    """An event without an answer is named; whether it arrived is open."""
    har(folder / "shop.har", *GOOD, entry(body("Exit", {}), status=0))
    done = clickport("audit", "shop.har")
    assert "1 event without an answer (entry 5)" in done.output


def test_an_answer_without_its_status_is_named(folder: Path, clickport: Run) -> None:
    """Firefox exports some answers without their status, but with their headers."""
    left = entry(body("Exit", {}), status=0)
    left["response"]["headers"] = [{"name": "Content-Length", "value": "0"}]
    har(folder / "shop.har", *GOOD, left)
    done = clickport("audit", "shop.har")
    assert "1 event whose status the export lacks (entry 5): arrived or not?" in done.output


@pytest.mark.parametrize("status", [0, 304, 429, 503])
def test_acceptance_is_open_if_an_event_was_not_accepted(folder: Path, clickport: Run, status: int) -> None:
    """WIRE-6 asks for a 2xx: an event that got no such answer is named, and the requirement stays open."""
    har(folder / "shop.har", *GOOD, entry(body("Exit", {}), status=status))
    done = clickport("audit", "shop.har")
    assert done.exit_code == 0
    assert "(entry 5): arrived or not?" in done.output
    assert "not proved: WIRE-6: an event without a 2xx answer shows nothing of it" in done.output


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (entry(body(), status=503), entry(body())),
        (entry(body(), status=307), entry(body())),
        (entry(body(), status=0), entry(body())),
        (entry(body(), _fetchedViaServiceWorker=True), entry(body())),
        (entry(body(), _fetchType="Service Worker"), entry(body())),
        (entry(body(), at=""), entry(body(), at="")),
        (
            entry(body(), headers={"Referer": "https://shop.example/1"}),
            entry(body(), headers={"Referer": "https://shop.example/2"}),
        ),
    ],
    ids=[
        "tried again",
        "redirected",
        "without a status",
        "passed on by a worker",
        "in Safari",
        "no times",
        "two pages",
    ],
)
def test_not_sent_twice(folder: Path, clickport: Run, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Equal requests of one event, or of two pages, are not an event that was sent twice."""
    if first.pop("_fetchedViaServiceWorker", False):
        first["response"]["_fetchedViaServiceWorker"] = True
    har(folder / "shop.har", first, second)
    assert "WARN  WIRE-4" not in clickport("audit", "shop.har").output


def test_entries_out_of_order(folder: Path, clickport: Run) -> None:
    """The times of entries count, not their order in the file."""
    har(folder / "shop.har", entry(body(), at="2026-11-29T12:00:00.050Z"), entry(body()))
    assert "WARN  WIRE-4  shop.har, entry 1: an equal event" in clickport("audit", "shop.har").output


def test_many_equal_events_take_linear_time(folder: Path) -> None:
    """The search for events that were sent twice does not compare each with each."""
    rows = [
        entry(body("x", {"k": str(n)}), at=f"2026-11-29T12:{n // 60:02d}:{n % 60:02d}Z") for n in range(3000)
    ]
    captures = read_captures(har(folder / "shop.har", *rows))
    compared = 0

    class Body(bytes):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return bytes(self) == other

        __hash__ = bytes.__hash__

    requests = tuple(replace(each, body=Body(each.body or b"")) for each in captures[0].requests)
    audit([replace(captures[0], requests=requests)], source="shop.har")
    assert compared < 10 * len(rows)


def test_addresses_that_cannot_be_read_are_no_events(folder: Path, clickport: Run) -> None:
    """A page may ask for anything; the rest of the capture is judged."""
    odd = entry(None, method="GET")
    odd["request"]["url"] = "https://[odd/api/event"
    har(folder / "shop.har", odd, *GOOD)
    assert clickport("audit", "shop.har").exit_code == 0


def test_cookies_without_a_header(folder: Path, clickport: Run) -> None:
    """An export that lists cookies and leaves out the header shows them, too."""
    sent = entry(body())
    sent["request"]["cookies"] = [{"name": "sid", "value": "s3cr3t"}]
    har(folder / "shop.har", sent)
    done = clickport("audit", "shop.har")
    assert "WARN  WIRE-5  shop.har, entry 1: the request carries cookies" in done.output


def test_folder(folder: Path, clickport: Run) -> None:
    """Each HAR of a folder is read; a folder without one is a usage error."""
    (folder / "hars").mkdir()
    assert clickport("audit", "hars").exit_code == 2
    har(folder / "hars" / "one.har", *GOOD)
    har(folder / "hars" / "two.har", FAULTS["no name"][0])
    done = clickport("audit", "hars")
    assert (done.exit_code, "two.har, entry 1: n is null" in done.output) == (1, True)


@pytest.mark.parametrize("place", ["ONE.HAR", "monday/one.har", "one.har.gz"])
def test_no_file_of_a_folder_is_left_out(folder: Path, clickport: Run, place: str) -> None:
    """Files are read whatever the case of their suffix, in folders within the folder, and gzipped."""
    file = folder / "hars" / place
    file.parent.mkdir(parents=True)
    (folder / "hars" / "note.txt").write_text("not a capture", encoding="utf-8")
    har(file, FAULTS["no name"][0])
    if place.endswith(".gz"):
        file.write_bytes(gzip.compress(file.read_bytes()))
    assert clickport("audit", "hars").exit_code == 1
    assert clickport("plan", "check", "hars").exit_code == 4  # It was read: a request without an event.


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings(folder: Path, clickport: Run, encoding: str) -> None:
    """A shell may have written the file in another encoding of Unicode."""
    file = har(folder / "shop.har", *GOOD)
    file.write_bytes(file.read_text(encoding="utf-8").encode(encoding))
    assert clickport("audit", "shop.har").exit_code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"", "shop.har is incomplete: it ends at byte 0; export or record it again"),
        (lambda whole: whole[:-1], "shop.har is incomplete: it ends at byte"),
        (lambda whole: whole[: whole.index(b"stats") + 2], "shop.har is incomplete: it ends at byte"),
        (lambda whole: gzip.compress(whole)[:-20], "the gzipped data ends too early"),
        (lambda whole: b"PK\x03\x04" + whole, "is a ZIP archive: unpack it"),
    ],
    ids=["empty", "last byte", "within text", "gzip", "zip"],
)
def test_damaged_files(folder: Path, clickport: Run, change: Callable[[bytes], bytes], message: str) -> None:
    """A file that was cut off, or is packed, is a usage error with the way out."""
    file = har(folder / "shop.har", *GOOD)
    file.write_bytes(change(file.read_bytes()))
    done = clickport("audit", "shop.har")
    assert (done.exit_code, message in done.output) == (2, True), done.output


@pytest.mark.parametrize("text", ["", "[]", '{"log": 1}', '{"log": {"entries": [1]}}', "[" * 100_000])
def test_malformed_files(folder: Path, clickport: Run, text: str) -> None:
    """A file that is no HAR ends with 2 and one line."""
    (folder / "shop.har").write_text(text, encoding="utf-8")
    done = clickport("audit", "shop.har")
    assert (done.exit_code, done.output.count("\n")) == (2, 1), done.output
    assert "shop.har" in done.output


def test_no_secret_is_reported(folder: Path, clickport: Run) -> None:
    """Cookies and credentials of a capture are in no report."""
    fault = entry(body("x", {"k": 1}), headers=SECRETS)
    har(folder / "shop.har", fault)
    done = clickport("audit", "shop.har", "--report", "json=report.json", "--report", "html=report.html")
    assert "Api-Key" in done.output
    texts = (
        done.output,
        *((folder / name).read_text(encoding="utf-8") for name in ("report.json", "report.html")),
    )
    assert all("s3cr3t" not in text for text in texts)
