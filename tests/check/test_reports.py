"""The reports that a run writes."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.record import read

if TYPE_CHECKING:
    from tests.check.conftest import Ended

SCHEMA = Path(__file__).parents[2] / "fixtures" / "schema" / "report.schema.json"


def test_json_report_is_as_its_schema_says(good_tracker_run: "Ended") -> None:
    """The JSON report validates, and holds each case of the run record."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert [e.message for e in Draft202012Validator(schema).iter_errors(good_tracker_run.report)] == []
    recorded = read(good_tracker_run.folder / "clickport-run.jsonl")
    assert {r.id for r in recorded.results} == {case["id"] for case in good_tracker_run.report["cases"]}
    assert not recorded.interrupted


def test_junit_report_counts_every_case(good_tracker_run: "Ended") -> None:
    """The JUnit report is XML that holds a test case for each result."""
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
    assert "every MUST of tracker was verified" in text


def test_markdown_report_gives_the_verdict(good_tracker_run: "Ended") -> None:
    """The Markdown report says what the run came to."""
    text = (good_tracker_run.folder / "report.md").read_text(encoding="utf-8")
    assert "every MUST of tracker was verified" in text
