"""A made-up newer requirement set: upcoming before its release, binding after, the old verdict repeated."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.protocol.requirement_sets import belongs

if TYPE_CHECKING:
    from tests.check.conftest import Ended

ROOT = Path(__file__).parents[2]
# The tracker is asked for two new things, a case and a requirement, and does neither.
KEPT, NEW_CASE, NEW_REQUIREMENT = (
    "prop-3-2000-cjk-characters",
    "prop-3-2001-characters",
    "prop-2-31-properties",
)
FAULTS = {"substring(0, 2000)": "substring(0, 2001)", "keys.length, 30": "keys.length, 31"}
REPORTS = {"json": "report.json", "junit": "report.xml", "html": "report.html", "md": "report.md"}
RELEASED = '\n[sets.2026-2]\nreleased = "2026-12-24"\nwhat = "A set made up by a test."\n'


def change(place: Path, *changes: tuple[str, str]) -> None:
    """Replace texts in a file; each occurs exactly once."""
    text = place.read_text(encoding="utf-8")
    for before, after in changes:
        assert text.count(before) == 1, f"{place}: {before!r} occurs {text.count(before)} times"
        text = text.replace(before, after)
    place.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the suite in which a case and a requirement belong to 2026-2, a set to come."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("conformance", "e2e", "fixtures", "tracker"):
        leave_out = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
    change(
        folder / "fixtures" / "vectors" / "track" / "prop.json",
        (f'{{"id": "{NEW_CASE}",', f'{{"id": "{NEW_CASE}", "since": "2026-2",'),
    )
    change(folder / "fixtures" / "requirements.toml", ("[PROP-2]\n", '[PROP-2]\nsince = "2026-2"\n'))
    shutil.copy(ROOT / "tests" / "check" / "implementations" / "tracker.js", folder / "t.js")
    change(folder / "t.js", *FAULTS.items())
    return folder


def run(tree: Path, *words: str) -> "Ended":
    """Run the copy."""
    from tests.check.conftest import Ended

    done = subprocess.run(
        [sys.executable, "-m", "conformance", *words], cwd=tree, capture_output=True, text=True, check=False
    )
    return Ended(code=done.returncode, out=done.stdout, err=done.stderr, seconds=0, folder=tree)


def check(tree: Path, *options: str) -> "Ended":
    """Check the tracker with the copy: a case of the first set, and the two new ones."""
    selectors = [w for id_ in (KEPT, NEW_CASE, NEW_REQUIREMENT) for w in ("--only", f"tracker/{id_}")]
    words = ["check", "--tracker", "t.js", "--browser", "chromium", "--jobs", "1"]
    reports = [w for kind, name in REPORTS.items() for w in ("--report", f"{kind}={name}")]
    return run(tree, *words, *selectors, *reports, *options)


def require_valid(place: Path, schema: str) -> None:
    """Compare a report, or each line of a record, with its schema."""
    rules = json.loads((ROOT / "fixtures" / "schema" / f"{schema}.schema.json").read_text(encoding="utf-8"))
    text = place.read_text(encoding="utf-8")
    for part in text.splitlines() if place.suffix == ".jsonl" else [text]:
        assert list(Draft202012Validator(rules).iter_errors(json.loads(part))) == []


def sets(tree: Path, text: str) -> None:
    """Write the file of requirement sets."""
    (tree / "fixtures" / "requirement-sets.toml").write_text(text, encoding="utf-8")


def test_new_checks_are_upcoming_and_then_bind(tree: Path) -> None:
    """A new check is shown, and binds once its set is current, unless record or option name the old one."""
    before = (ROOT / "fixtures" / "requirement-sets.toml").read_text(encoding="utf-8")
    sets(tree, before)
    # The case that is kept runs after the upcoming one of the same requirement, and is not skipped for it.
    early = check(tree, "--first-failure")
    assert (early.code, early.statuses[f"tracker/{KEPT}"]) == (0, "pass"), early.text
    assert "UPCOMING tracker/prop-3-2001-characters PROP-3" in early.text
    assert "Upcoming, not in 2026-1 and not counted: 2 cases, 2 failed" in early.text
    assert early.report["suite"]["set"] == "2026-1"
    assert {c["id"] for c in early.report["cases"] if c.get("upcoming") and c["status"] == "fail"} == {
        f"tracker/{NEW_CASE}",
        f"tracker/{NEW_REQUIREMENT}",
    }
    assert "PROP-2" not in {row["id"] for row in early.report["requirements"]}
    require_valid(tree / "report.json", "report")
    require_valid(tree / "clickport-run.jsonl", "run-record")
    shutil.copy(tree / "clickport-run.jsonl", tree / "early.jsonl")
    for name, heading in (("report.html", '<section id="upcoming"'), ("report.md", "### Upcoming (2)")):
        assert heading in (tree / name).read_text(encoding="utf-8")
    junit = (tree / "report.xml").read_text(encoding="utf-8")
    assert (junit.count("<failure"), junit.count('message="upcoming: ')) == (0, 2)

    sets(tree, before.replace('current = "2026-1"', 'current = "2026-2"') + RELEASED)
    now = check(tree)
    assert (now.code, now.violated) == (1, {"PROP-2", "PROP-3"}), now.text
    assert now.report["suite"]["set"] == "2026-2"
    # A verdict computed again from a record is about the set of that record.
    code = (
        "from pathlib import Path; from conformance.results.record import read; "
        "run = read(Path('early.jsonl')); "
        "print(int(run.verdict().exit_code), run.info.requirement_set)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "2026-1"]

    again = check(tree, "--requirements", "2026-1")
    assert (again.code, again.report["suite"]) == (0, early.report["suite"]), again.text
    for ended, name in ((early, "verdict"), (early, "requirements"), (early, "summary")):
        assert again.report[name] == ended.report[name]


def test_upcoming_ids_are_marked_in_lists(tree: Path) -> None:
    """`list` and `explain` mark what no set has yet; an unknown set is a usage error."""
    sets(tree, (ROOT / "fixtures" / "requirement-sets.toml").read_text(encoding="utf-8"))
    listed = run(tree, "list", "--cases", "PROP-*").out
    marked = re.findall(r"(\S+): [^\n]*\(upcoming: 2026-2\)$", listed, re.MULTILINE)
    assert {f"tracker/{NEW_CASE}", f"tracker/{NEW_REQUIREMENT}"} <= set(marked)
    assert f"tracker/{KEPT}" not in marked
    assert "(upcoming: 2026-2)" in run(tree, "explain", "PROP-2").out.splitlines()[0]
    wrong = run(tree, "check", "--tracker", "t.js", "--requirements", "2025-1")
    assert (wrong.code, "no requirement set '2025-1'" in wrong.text) == (2, True)


@pytest.mark.parametrize(
    ("since", "set_", "expected"),
    [("2026-1", "2026-1", True), ("2026-2", "2026-1", False), ("2026-9", "2026-10", True)],
)
def test_sets_are_ordered_by_number(since: str, set_: str, expected: bool) -> None:
    """Year and number are compared as numbers."""
    assert belongs(since, set_) is expected
