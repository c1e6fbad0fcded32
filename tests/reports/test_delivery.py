"""The delivery matrix, timelines and pictures in each report."""

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from playwright.sync_api import Page
from rich.console import Console

from conformance.browsers import find
from conformance.browsers.playwright_engines import PLAYWRIGHT
from conformance.paths import bundled
from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.reports import REPORTS, print_run
from conformance.reports.delivery import combined, matrix
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Fault, Status, Verdict, judge
from tests.reports.conftest import run as run_of

REGISTRY = {
    "DELIV-2": Requirement(
        id="DELIV-2",
        level=Level.MUST,
        lanes=(Lane.TRACKER,),
        what="It arrives.",
        why="It counts.",
        excluded={},
    )
}
KEPT = {"of": 50, "arrived": 50, "once": 50, "kept": 50, "undelayed": 50}
CUT = {"of": 50, "arrived": 41, "once": 40, "kept": 0, "undelayed": 40}
MOMENTS = {"answered": None, "status": None, "held": True, "followed": False}
TIMELINE = {
    "from": "call",
    "gone": 37.2,
    "requests": [
        {"request": "POST /api/event", "control": False, "first": 4.1, "complete": 9.0, "closed": 39.0}
        | MOMENTS,
        {"request": "POST /control/t", "control": True, "first": 4.2, "complete": 4.3, "closed": 37.2}
        | MOMENTS,
    ],
}
MATRIX = """\
Delivery: tries in which the event was kept when its page was left
                    chromium          firefox
                    same     cross    same     cross
  location.href     50/50    ✕0/50    50/50    ⚠error
  in pagehide       ~17/50
  a way to be made                    50/50
  ✕ fails, ⚠ error, ~ open: measured only
  chromium, 100 tries: 91 arrived, 90 once, 50 kept, 90 undelayed
  firefox, 100 tries: 100 arrived, 100 once, 100 kept, 100 undelayed

"""
WHEN = """\
when      0 ms  track is called
          4 ms  POST /api/event: first byte in
          4 ms  plain fetch beside it: all in
          9 ms  POST /api/event: all in
         37 ms  the page is gone: the plain fetch beside it is given up
         39 ms  POST /api/event: connection gone, without an answer
"""


def picture() -> str:
    """Return a black and a white pixel as PNG."""
    parts = (
        (b"IHDR", struct.pack(">2I5B", 2, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\0\xff")),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()


def case(way: str, browser: str, status: Status, tries: Any = None, **more: Any) -> CaseResult:
    """Return the result of a delivery case."""
    values: dict[str, Any] = {
        "level": Level.MUST,
        "lane": Lane.TRACKER,
        "requirement": "DELIV-2",
        "seconds": 1.0,
        **more,
    }
    return CaseResult(
        id=f"tracker/deliv-2-{way}-origin", status=status, browser=browser, tries=tries, **values
    )


@pytest.fixture
def run() -> Run:
    """Return a run with exits that pass, fail, are open, are in error, and did not run."""
    return run_of(
        case("href-same", "chromium", Status.PASS, KEPT),
        case("href-cross", "chromium", Status.FAIL, CUT, timeline=TIMELINE, screenshot=picture()),
        case("href-same", "firefox", Status.PASS, KEPT),
        case("href-cross", "firefox", Status.ERROR, fault=Fault.SUITE),
        case(
            "pagehide-same",
            "chromium",
            Status.OBSERVED,
            {"of": 50, "arrived": 17, "once": 17},
            level=Level.MAY,
        ),
        case("a-way-to-be-made-same", "firefox", Status.PASS, KEPT),
        case("link-same", "", Status.NOT_RUN),
        lanes=(Lane.TRACKER,),
    )


def judged(run: Run) -> Verdict:
    """Judge a run by its one requirement."""
    return judge(requirements=REGISTRY.values(), lanes=run.info.lanes, results=run.results)


def rendered(kind: str, run: Run) -> str:
    """Return a report of a kind."""
    return REPORTS[kind](run, judged(run), REGISTRY)


def printed(run: Run) -> str:
    """Return the console's output, 80 columns wide."""
    file = io.StringIO()
    print_run(Console(file=file, width=80, highlight=False), run, judged(run), REGISTRY)
    return file.getvalue()


def test_console(run: Run) -> None:
    """The matrix has a row per exit and a cell per engine and origin; those that did not run are empty."""
    text = printed(run)
    assert MATRIX in text
    assert WHEN in text
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_delivery_case_there_is_no_matrix(run: Run) -> None:
    """The report on a run without delivery cases has no matrix."""
    none = run_of(run.results[-1], lanes=(Lane.TRACKER,))
    assert matrix(none, judged(none)) is None
    assert [kind for kind in REPORTS if "Delivery" in rendered(kind, none)] == []
    assert "Delivery" not in printed(none)


def test_runs_over_several_protocols_are_one_matrix(run: Run) -> None:
    """Columns are by engine, then protocol; of two runs over one protocol the later one counts."""
    over = {name: replace(run.info, options={"protocol": name}) for name in ("http1-tls", "http2")}
    second = run_of(case("href-same", "chromium", Status.FAIL, CUT), lanes=(Lane.TRACKER,))
    runs = [run, replace(run, info=over["http2"]), replace(second, info=over["http2"])]
    both = combined([(each, judged(each)) for each in runs])
    assert both
    assert [group[:2] for group in both.groups] == [
        ("chromium", "http1"),
        ("chromium", "http2"),
        ("firefox", "http1"),
        ("firefox", "http2"),
    ]
    assert [cell.share if cell else "" for cell in both.rows["location.href"]] == [
        *("50/50", "0/50"),
        *("0/50", "0/50"),
        *("50/50", "error"),
        *("50/50", "error"),
    ]
    assert (matrix(run, judged(run)) or both).protocols == ()
    alone = replace(second, info=over["http1-tls"])
    assert "chromium\n                 http1-tls\n                 same     cross" in printed(alone)
    assert "- **browsers**: chromium 150.0, over http1-tls\n" in rendered("md", alone)
    assert "- chromium over http1-tls, 50 tries" in rendered("md", alone)
    assert json.loads(rendered("json", alone))["run"]["protocol"] == "http1-tls"


def test_markdown(run: Run) -> None:
    """The matrix is a table in Markdown, with the other counts below."""
    text = rendered("md", run)
    assert (
        "| Way out | chromium, same | chromium, cross | firefox, same | firefox, cross |\n"
        "|:--|--:|--:|--:|--:|\n"
        "| location.href | 50/50 | **❌ 0/50**, arrived 41, once 40 | 50/50 | **⚠️ error** |\n"
        "| in pagehide | open 17/50 |  |  |  |\n"
        "| a way to be made |  |  | 50/50 |  |\n\n"
        "- chromium, 100 tries: 91 arrived, 90 once, 50 kept, 90 undelayed\n"
    ) in text


def test_json_and_junit_hold_the_tries(run: Run) -> None:
    """JSON and JUnit contain the counts; the picture is only in the run record."""
    report = json.loads(rendered("json", run))
    schema = json.loads(bundled("fixtures/schema/report.schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(report)] == []
    assert [c.get("tries") for c in report["cases"]][:2] == [KEPT, CUT]
    assert (report["cases"][1]["timeline"], "screenshot" in report["cases"][1]) == (TIMELINE, False)
    found = ElementTree.fromstring(rendered("junit", run)).findall(".//testcase[2]/properties/property")
    assert {p.get("name"): p.get("value") for p in found if "tries" in (p.get("name") or "")} == {
        f"tries.{name}": str(number) for name, number in CUT.items()
    }


@pytest.fixture
def page(run: Run, tmp_path: Path) -> Iterator[Page]:
    """Yield the HTML report in a narrow window without script; fails if it loads anything."""
    path = tmp_path / "report.html"
    path.write_text(rendered("html", run), encoding="utf-8")
    heard: list[str] = []
    with PLAYWRIGHT as playwright:
        browser = playwright.chromium.launch(
            executable_path=find("chromium").path or None, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 360, "height": 800}, java_script_enabled=False)
        page.on("request", lambda request: heard.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert heard == [path.as_uri()]


def test_html(page: Page) -> None:
    """The matrix marks failures, the finding shows its timeline and the page, and nothing is too wide."""
    row = page.locator(".matrix tbody tr").first
    assert [text.split() for text in row.locator("td").all_inner_texts()] == [
        ["✓", "50/50"],
        ["✕", "0/50", "arrived", "41", "once", "40"],
        ["✓", "50/50"],
        ["⚠", "error"],
    ]
    finding = page.locator(".finding[open]").first
    assert finding.locator(".timeline p").all_inner_texts()[:2] == [
        "POST /api/event",
        "plain fetch beside it",
    ]
    [gone] = {line.get_attribute("x1") for line in finding.locator("line.gone").all()}
    bar = finding.locator("svg.lost .bar")
    # The event's connection outlasts the page by 1.8 ms of about 40 ms.
    end = float(bar.get_attribute("x") or 0) + float(bar.get_attribute("width") or 0)
    assert 0.94 < float(gone or 0) / end < 0.96
    assert "the page is gone" in finding.locator("dd", has=page.locator(".timeline")).inner_text()
    shot = finding.locator("img.shot")
    shot.scroll_into_view_if_needed()
    box = shot.bounding_box()
    assert box
    assert (box["width"], box["height"]) == (4, 3)  # Its own size, and the border: it is not stretched.
    assert page.evaluate("document.documentElement.scrollWidth") == 360
