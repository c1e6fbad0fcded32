"""Reports for programs: JSON, JUnit XML, Markdown; and the writing of files."""

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.paths import bundled
from conformance.protocol.requirements import Requirement
from conformance.reports import REPORTS, write
from conformance.results.record import Run
from conformance.results.verdict import Verdict

Render = Callable[[str, Run], str]
RUNS = ("green", "violated", "untestable", "waived", "selected", "hostile")


@pytest.fixture
def rendered(judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]) -> Render:
    """Return a report of a kind."""
    return lambda kind, run: REPORTS[kind](run, judged(run), registry)


@pytest.fixture(params=RUNS)
def any_run(request: pytest.FixtureRequest) -> Run:
    """Return each of the runs made by hand."""
    found: Run = request.getfixturevalue(request.param)
    return found


def test_json_is_valid_and_strict(rendered: Render, any_run: Run) -> None:
    """The report is valid under its schema, ASCII, and without NaN."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    text = rendered("json", any_run)
    schema = json.loads(bundled("fixtures/schema/report.schema.json").read_text(encoding="utf-8"))
    assert text.isascii()
    assert list(Draft202012Validator(schema).iter_errors(json.loads(text, parse_constant=refuse))) == []


def test_json_of_a_violation(rendered: Render, violated: Run) -> None:
    """The report has the verdict, the target without its password, reasons, and a case with all evidence."""
    report: dict[str, Any] = json.loads(rendered("json", violated))
    assert (report["conformant"], report["exit_code"]) == (False, 1)
    assert report["verdict"] == "not conformant: 2 violations of PROP-1 and REV-1"
    assert report["target"] == {"tracker": "dist/t.js", "server": "http://***@127.0.0.1:8000"}
    assert report["summary"] == {"fail": 3, "pass": 1, "error": 1}
    assert report["requirements"][-1] == {
        "id": "QUOTA-1",
        "level": "MUST",
        "lane": "dashboard",
        "status": "excluded",
        "reason": "pending: needs the dashboard lane",
        "cases": [],
    }
    assert report["cases"][3] == {
        "id": "server/rev-1-cents",
        "requirement": "REV-1",
        "level": "MUST",
        "lane": "server",
        "browser": None,
        "status": "fail",
        "detail": 'revenue_source_amount: expected "49.99", got "49.98"',
        "sent": {"t": "e", "n": "Buy", "ra": 49.99},
        "received": {"status": 202},
        "stored": [{"type": "custom", "name": "Buy", "revenue_source_amount": "49.98"}],
        "repro": "clickport check --only server/rev-1-cents",
        "seconds": 0.25,
        "fault": None,
    }


def test_json_of_a_waiver(rendered: Render, waived: Run) -> None:
    """The report has the verdict and the waiver with its reason, which is also at the requirement."""
    report = json.loads(rendered("json", waived))
    assert (report["conformant"], report["exit_code"], report["partial"]) == (True, 0, False)
    assert report["waived"] == [
        {"requirement": "REV-1", "lane": "server", "reason": "amounts are stored <elsewhere>"}
    ]
    [row] = [r for r in report["requirements"] if r["id"] == "REV-1"]
    assert (row["status"], row["waived"]) == ("not-testable", "amounts are stored <elsewhere>")


def test_json_of_a_selection(rendered: Render, selected: Run) -> None:
    """A member next to the verdict states that a selection is conformant only in part."""
    report = json.loads(rendered("json", selected))
    assert (report["conformant"], report["exit_code"], report["partial"]) == (True, 0, True)
    assert report["verdict"].startswith("conformant in what was selected: 2 of 3 MUSTs")
    rows = {(r["id"], r["lane"]): r.get("selected") for r in report["requirements"] if r["level"] == "MUST"}
    assert rows == {
        ("PROP-1", "tracker"): None,
        ("PROP-1", "server"): "in part",
        ("REV-1", "server"): "none",
    }


@pytest.mark.parametrize("kind", sorted(REPORTS.keys() - {"github"}))
def test_every_report_has_the_waiver_and_its_reason(rendered: Render, waived: Run, kind: str) -> None:
    """Every report has the waiver and its reason next to the verdict."""
    text = html.unescape(rendered(kind, waived)).replace("\\", "")
    assert "REV-1" in text
    assert "amounts are stored <elsewhere>" in text
    assert "conformant, with REV-1 waived" in text.replace("Conformant", "conformant")


def test_junit_skips_what_is_waived(rendered: Render, waived: Run) -> None:
    """A waived case is skipped, with the reasons of the waiver and of the case."""
    root = ElementTree.fromstring(rendered("junit", waived))
    assert [skipped.get("message") for skipped in root.iter("skipped")] == [
        "waived: amounts are stored <elsewhere> (not testable: no column of that name)"
    ]


def test_junit_has_one_word_for_a_warning(rendered: Render, violated: Run) -> None:
    """A failing SHOULD is an expected failure, as in pytest's report of the same run."""
    root = ElementTree.fromstring(rendered("junit", violated))
    [skipped] = [s for s in root.iter("skipped") if "no row was stored" in s.get("message", "")]
    assert (skipped.get("type"), skipped.get("message")) == ("pytest.xfail", "warning: no row was stored")


def test_json_keeps_evidence_whole(rendered: Render, hostile: Run) -> None:
    """Reports for people cut and escape evidence; this one loses nothing that JSON can represent."""
    case = json.loads(rendered("json", hostile))["cases"][0]
    assert case["sent"] == hostile.results[0].sent
    assert case["stored"] == ["z" * 100_000]


def test_junit_counts_by_lane(rendered: Render, violated: Run) -> None:
    """A suite per lane; warnings and requirements without a case are skipped, faults of the suite errors."""
    root = ElementTree.fromstring(rendered("junit", violated))
    counts = ("tests", "failures", "errors", "skipped")
    assert {
        s.get("name"): [s.get(c) for c in counts] for s in root.iter() if s.tag.startswith("testsuite")
    } == {
        "clickport": ["6", "2", "1", "2"],
        "clickport.tracker": ["1", "1", "0", "0"],
        "clickport.server": ["4", "1", "1", "1"],
        "clickport.dashboard": ["1", "0", "0", "1"],
    }
    assert {
        case.get("name"): [(kind.tag, kind.get("message")) for kind in case if kind.get("message")]
        for case in root.iter("testcase")
    } == {
        "tracker/prop-1-one [chromium]": [("failure", 'mv[0]: expected "pro", got "free"')],
        "server/prop-1-one": [],
        "server/prop-6-half-pair": [("skipped", "warning: no row was stored")],
        "server/rev-1-cents": [("failure", 'revenue_source_amount: expected "49.99", got "49.98"')],
        "server/lint-1-twins": [("error", "RuntimeError: the canary sang")],
        "dashboard/QUOTA-1": [("skipped", "pending: needs the dashboard lane")],
    }


def test_junit_of_hostile_evidence_is_xml(rendered: Render, hostile: Run) -> None:
    """Characters that XML 1.0 forbids are written as escapes; the rest is parsed back equal."""
    text = rendered("junit", hostile)
    error = ElementTree.fromstring(text.encode()).find(".//error")
    assert error is not None
    assert error.get("message") == r"</script><b>&\u0000\u001b[31m\ud83d[bold]```|@all\u202e]]>\ufffe"
    assert [c for c in text if not c.isprintable() and c != "\n"] == []


def test_markdown_of_a_violation(rendered: Render, violated: Run) -> None:
    """The verdict comes first, then the ledger, then the failures, folded."""
    text = rendered("md", violated)
    assert text.startswith("## ❌ Clickport: Not conformant: 2 violations of PROP-1 and REV-1\n")
    assert "| PROP | server | 1/1 | 0/1 |  | 1 SHOULD failed |\n" in text
    assert "<details><summary>server/rev-1-cents (REV-1 MUST)</summary>\n" in text
    assert "### Not verified (1)\n\n- QUOTA-1 (dashboard): pending: needs the dashboard lane\n" in text


def test_markdown_of_hostile_evidence_stays_in_its_place(rendered: Render, hostile: Run) -> None:
    """Outside fences every mark is escaped; a fence is longer than any run of backticks in it."""
    outside, fence = [], ""
    for line in rendered("md", hostile).splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line.rstrip("abcdefghijklmnopqrstuvwxyz")
        else:
            outside.append(line)
    assert not fence
    assert [line for line in outside if "<b>" in line or "</script>" in line or "[bold]" in line] == []
    assert r"\</script\>\<b\>\&\\u0000\\u001b\[31m\\ud83d\[bold\]\`\`\`\|\@all" in "\n".join(outside)


def test_markdown_of_a_target_that_does_nothing_fits_a_job_summary(rendered: Render, hostile: Run) -> None:
    """A report with a thousand of the worst failures is smaller than GitHub's limit of 1 MiB."""
    many = replace(hostile, results=hostile.results[:1] * 1_000)
    assert len(rendered("md", many).encode()) < 1_000_000


@pytest.mark.parametrize("kind", REPORTS)
def test_write_replaces_the_file_at_once(
    kind: str,
    tmp_path: Path,
    hostile: Run,
    judged: Callable[[Run], Verdict],
    registry: Mapping[str, Requirement],
) -> None:
    """Folders are created, an old report is replaced, and no other file is left."""
    path = tmp_path / "new" / f"report.{kind}"
    for _ in range(2):
        write(kind, path, hostile, judged(hostile), registry)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == REPORTS[kind](hostile, judged(hostile), registry)


def test_write_names_the_path_that_it_cannot_write(
    tmp_path: Path, green: Run, judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]
) -> None:
    """The message about a folder in place of the file names its path."""
    with pytest.raises(OSError, match=f"cannot write the json report to {tmp_path}: Is a directory"):
        write("json", tmp_path, green, judged(green), registry)


def test_junit_skips_what_the_baseline_names(
    violated: Run, judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]
) -> None:
    """A failure in the baseline is skipped, as it does not affect the exit code either."""
    verdict = judged(violated)
    known = replace(verdict, violations=verdict.violations[1:], known=verdict.violations[:1])
    root = ElementTree.fromstring(REPORTS["junit"](violated, known, registry))
    messages = [skipped.attrib["message"] for skipped in root.iter("skipped")]
    assert [m for m in messages if m.startswith("known: ")] == ['known: mv[0]: expected "pro", got "free"']
    assert root.attrib["failures"] == "1"
