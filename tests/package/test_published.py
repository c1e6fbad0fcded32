"""The benchmark of published trackers: its mappings, its files, and the cells of its page."""

import gzip
import importlib.util
import json
import tomllib
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import pytest

from conformance.protocol.requirements import Lane, Level
from conformance.recorder import Exchange, PayloadMapping
from conformance.results.verdict import CaseResult, Status

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "benchmarks" / "published"
TRACKERS: dict[str, Any] = tomllib.loads((PUBLISHED / "trackers.toml").read_text(encoding="utf-8"))


def _script() -> ModuleType:
    place = ROOT / "benchmarks" / "published_trackers.py"
    spec = importlib.util.spec_from_file_location("published_trackers", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = _script()


def form(text: str) -> bytes:
    """Return a form with a text as base64 in its field ``data``."""
    return b"data=" + quote(b64encode(text.encode())).encode()


SIGNUP = {"t": "e", "n": "Signup", "mk": ["plan"], "mv": ["pro"]}
PAID = {**SIGNUP, "ra": 5, "rc": "EUR"}
POSTHOG = (
    '{"event": "Signup", "properties": {"plan": "pro", "$lib": "web", "token": "t", "distinct_id": "d"}}'
)
MIXPANEL = '{"event": "Signup", "properties": {"plan": "pro", "$os": "x", "time": 1, "token": "t"}}'
SNOWPLOW = (
    '{"data": {"data": {"name": "Signup", "properties": {"plan": "pro"}, '
    '"revenue": {"amount": 5, "currency": "EUR"}}}}'
)
AMPLITUDE = '{"event_type": "Signup", "event_properties": {"plan": "pro", "amount": 5, "currency": "EUR"}}'


@pytest.mark.parametrize(
    ("tracker", "target", "body", "expected"),
    [
        (
            "plausible",
            "/api/event",
            b'{"n": "Signup", "p": {"plan": "pro"}, "$": {"amount": 5, "currency": "EUR"}}',
            [PAID],
        ),
        ("plausible", "/api/event", b'{"n": "engagement", "sd": 100}', []),
        (
            "openpanel",
            "/track",
            b'{"type": "track", "payload": {"name": "Signup", "properties": {"plan": "pro", "__path": "/"}}}',
            [SIGNUP],
        ),
        ("openpanel", "/track", b'{"type": "identify", "payload": {}}', []),
        ("swetrix", "/log/custom", b'{"ev": "Signup", "meta": {"plan": "pro"}, "pid": "p"}', [SIGNUP]),
        ("swetrix", "/log/hb", b'{"pid": "p"}', []),
        ("posthog", "/e/", f"[{POSTHOG}, {POSTHOG}]".encode(), [SIGNUP, SIGNUP]),
        ("posthog", "/e/?compression=gzip-js", gzip.compress(POSTHOG.encode(), mtime=0), [SIGNUP]),
        ("posthog", "/e/?compression=base64", form(POSTHOG), [SIGNUP]),
        ("posthog", "/e/", b'{"event": "$pageleave", "properties": {}}', []),
        ("posthog", "/flags/", b"not looked at", []),
        ("mixpanel", "/track/?verbose=1", form(f"[{MIXPANEL}]"), [SIGNUP]),
        ("mixpanel", "/track/", b"data=" + quote(MIXPANEL).encode(), [SIGNUP]),
        (
            "snowplow",
            "/com.snowplowanalytics.snowplow/tp2",
            json.dumps(
                {
                    "data": [
                        {"e": "pv"},
                        {"e": "ue", "ue_px": urlsafe_b64encode(SNOWPLOW.encode()).decode().rstrip("=")},
                    ]
                }
            ).encode(),
            [PAID],
        ),
        (
            "amplitude",
            "/2/httpapi",
            f'{{"events": [{AMPLITUDE}, {{"event_type": "$identify"}}]}}'.encode(),
            [PAID],
        ),
    ],
)
def test_payloads(tracker: str, target: str, body: bytes, expected: list[dict[str, Any]]) -> None:
    """Each mapping returns the events of its tracker's requests, and none for other requests."""
    exchange = Exchange(
        id=1, origin="localhost", connection=1, method="POST", target=target, headers=(), started=0, body=body
    )
    mapping = PayloadMapping(str(PUBLISHED / "payloads" / f"{tracker}.py"))
    assert [json.loads(event) for event in mapping.events(exchange)] == expected


def test_each_tracker_is_complete() -> None:
    """Each tracker has a shim, a mapping and an exact version, and there are no other files."""
    names = sorted(TRACKERS)
    packages = json.loads((PUBLISHED / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert sorted(path.stem for path in (PUBLISHED / "shims").glob("*.js")) == names
    assert sorted(path.stem for path in (PUBLISHED / "payloads").glob("*.py")) == names
    assert sorted(packages) == sorted(row["package"] for row in TRACKERS.values())
    assert [version for version in packages.values() if not version[0].isdigit()] == []


def test_lock_file_names_no_registry() -> None:
    """npm resolves the packages by its own configuration."""
    assert '"resolved"' not in (PUBLISHED / "package-lock.json").read_text(encoding="utf-8")


def result(case: str, status: Status, tries: Any = None) -> CaseResult:
    """Return the result of a case in Firefox."""
    return CaseResult(
        id=f"tracker/{case}",
        requirement="DELIV-2",
        lane=Lane.TRACKER,
        level=Level.MUST,
        status=status,
        browser="firefox",
        tries=tries,
    )


HREF, LINK = "deliv-2-href-same-origin", "deliv-2-link-same-origin"
LOST = result(HREF, Status.FAIL, {"of": 10, "arrived": 0})


@pytest.mark.parametrize(
    ("results", "cell"),
    [
        ([result(HREF, Status.FAIL, {"of": 10, "arrived": 7})], "7/10"),
        ([LOST, result(LINK, Status.PASS, {"of": 10, "arrived": 10})], "0/10"),
        ([LOST, result("deliv-4-call-returns-at-once", Status.PASS)], "0/10"),
        ([LOST], "not applicable"),
        ([result(LINK, Status.PASS, {"of": 10, "arrived": 10})], "not applicable"),
        ([result(HREF, Status.ERROR), result(LINK, Status.PASS)], "undecided"),
    ],
)
def test_cells(results: list[CaseResult], cell: str) -> None:
    """A cell is a count, or states that nothing arrived in any row or that nothing was tried."""
    ran = {"firefox": "153"}
    measured = script.TrackerMeasurement(
        name="x", version="1", minified=5, gzipped=3, browsers=ran, results=results, refused=["webkit"]
    )
    found = [measured.cell(f"tracker/{HREF}", browser) for browser in ("firefox", "webkit", "chromium")]
    assert found == [cell, "not applicable", "not measured"]


def test_page() -> None:
    """The page has the day, the sizes, and a table for each browser with the exits in the suite's order."""
    one = script.TrackerMeasurement(
        name="one",
        version="one 1.2",
        minified=1234,
        gzipped=567,
        browsers={"firefox": "153"},
        results=[
            result("deliv-4-call-returns-at-once", Status.PASS),
            result(LINK, Status.PASS, {"of": 3, "arrived": 3}),
            LOST,
        ],
    )
    page = script.render([one], "delivery", day=date(2026, 11, 26))
    assert "on 2026-11-26." in page
    assert "| one | one 1.2 | 1,234 | 567 |" in page
    rows = "| way out | one |\n|---|---|\n| href-same-origin | 0/10 |\n| link-same-origin | 3/3 |\n"
    assert rows + "| *the page stays* | 1/1 |\n" in page
    assert ("## Firefox" in page, "## Chromium" in page, "{{" in page) == (True, False, False)


def neighbour(name: str, status: Status, received: Any = None, detail: str = "") -> CaseResult:
    """Return the result of a case of the family GOOD in Firefox."""
    case = replace(result(f"good-{name}", status), requirement="GOOD-1", level=Level.SHOULD)
    return replace(case, received=received, detail=detail)


FEW, MANY = {"entries": [["a", 40]], "bytes": 40, "stores": []}, {"entries": [["a", 9]] * 3, "bytes": 2700}


@pytest.mark.parametrize(
    ("results", "cell"),
    [
        (neighbour("1-page-comes-back", Status.PASS, {"restored": True}), "restored"),
        (neighbour("1-page-comes-back", Status.FAIL, {"restored": False}), "**loaded anew**"),
        (
            neighbour("1-page-comes-back", Status.NOT_TESTABLE, detail="no event arrived: see API-2"),
            "not seen",
        ),
        (neighbour("3-unload-forbidden", Status.NOT_TESTABLE, detail="ignores the header"), "not testable"),
        (neighbour("5-no-cookie", Status.PASS, []), "none"),
        (neighbour("5-no-cookie", Status.FAIL, ["id=1", "x=2"]), "**2**"),
        (neighbour("4-cost-of-a-call", Status.PASS, {"ratio": 1.26}), "1.3"),
        (neighbour("4-cost-of-loading", Status.FAIL, {"ratio": 3000.5}), "**3,000.5**"),
        (neighbour("6-little-storage", Status.PASS, FEW), "1: 40 B"),
        (neighbour("6-little-storage", Status.FAIL, {**MANY, "stores": ["x"]}), "**3: 2,700 B; database**"),
        (neighbour("7-trusted-types", Status.FAIL, detail="no request arrived: lost"), "**lost**"),
        (neighbour("7-trusted-types", Status.FAIL, detail="the page is told"), "**reported**"),
        (neighbour("8-require-corp", Status.PASS), "sent"),
        (neighbour("12-global-privacy-control", Status.OBSERVED, detail="no event is sent"), "silent"),
        (neighbour("8-require-corp", Status.ERROR), "undecided"),
    ],
)
def test_neighbour_cells(results: CaseResult, cell: str) -> None:
    """A cell of the neighbours' page is what was measured, in bold if it is beyond the bounds."""
    assert script.neighbour_cell(results) == cell
    assert script.neighbour_cell(None) == "not applicable"
