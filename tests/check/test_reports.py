"""The report files of a run."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.results.record import read

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.check.conftest import Ended, Implementations

    Check = Callable[..., Ended]

SCHEMA = Path(__file__).parents[2] / "fixtures" / "schema" / "report.schema.json"
LINK = ("--only", "deliv-2-link-same-origin", "--repeat", "2")


def test_json_report_is_as_its_schema_says(good_tracker_run: "Ended") -> None:
    """The JSON report is valid by its schema and contains each case of the run record."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert [e.message for e in Draft202012Validator(schema).iter_errors(good_tracker_run.report)] == []
    recorded = read(good_tracker_run.folder / "clickport-run.jsonl")
    assert {r.id for r in recorded.results} == {case["id"] for case in good_tracker_run.report["cases"]}
    assert not recorded.interrupted


def test_junit_report_counts_every_case(good_tracker_run: "Ended") -> None:
    """The JUnit report is XML with a test case for each result."""
    root = ET.parse(good_tracker_run.folder / "report.xml").getroot()
    assert len(list(root.iter("testcase"))) >= len(good_tracker_run.statuses)


def test_html_report_is_one_file(good_tracker_run: "Ended") -> None:
    """The HTML report parses, shows the verdict, and loads nothing from elsewhere."""
    text = (good_tracker_run.folder / "report.html").read_text(encoding="utf-8")
    sources: list[str] = []

    class Sources(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            loads = {"script", "img", "link", "iframe"}
            sources.extend(v or "" for k, v in attrs if tag in loads and k in ("src", "href"))

    Sources().feed(text)
    assert [source for source in sources if not source.startswith("data:")] == []
    assert "Conformant in what was selected: " in text


def test_markdown_report_gives_the_verdict(good_tracker_run: "Ended") -> None:
    """The Markdown report states the verdict."""
    text = (good_tracker_run.folder / "report.md").read_text(encoding="utf-8")
    assert "Conformant in what was selected: " in text


def test_a_run_that_passes_tells_its_tries_and_keeps_no_pictures(
    check: "Check", mine: "Implementations"
) -> None:
    """A passing exit has its tries on record, but no timeline or screenshot."""
    run = check("--tracker", mine.tracker(), *LINK)
    [result] = [r for r in read(run.folder / "clickport-run.jsonl").results if r.status == "pass"]
    assert result.tries == {"of": 2, "arrived": 2, "once": 2, "kept": 2, "undelayed": 2}
    assert (result.timeline, result.screenshot) == (None, "")
    assert "link 2/2" in run.text


def test_a_lost_event_is_shown_with_its_times(check: "Check", mine: "Implementations") -> None:
    """Without keepalive, the connection ends with the page; the failure has a timeline."""
    tracker = mine.tracker("keepalive: true", "keepalive: false")
    run = check("--tracker", tracker, *LINK, "--report", "html=report.html")
    [result] = [r for r in read(run.folder / "clickport-run.jsonl").results if r.status == "fail"]
    assert result.tries == {"of": 2, "arrived": 2, "once": 2, "kept": 0, "undelayed": 2}
    event, control = result.timeline["requests"]
    assert (result.timeline["from"], control["closed"]) == ("call", result.timeline["gone"])
    assert 0 <= event["first"] <= event["complete"] < event["closed"]
    assert (event["request"], event["answered"], event["held"]) == ("POST /api/event", None, True)
    assert "link ✕0/2" in run.text
    assert result.screenshot
    # The page that follows has one line of text: a picture of it would show nothing.
    html = (run.folder / "report.html").read_text("utf-8")
    assert (result.screenshot in html, "blank but for a line of text" in html) == (False, True)
