"""The results site, rendered from records that are written here."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Browser

from conformance.cli import main as clickport
from conformance.protocol.requirement_sets import current_set
from conformance.reports.site import pages, read_all
from conformance.reports.site.badges import Badge, badge
from conformance.reports.site.model import current, differences
from conformance.results.record import RecordWriter, Run
from conformance.results.verdict import Exit, Status
from tests.accessibility import axe, serious
from tests.reports.figures import figures
from tests.reports.test_delivery import KEPT, case
from tests.reports.test_html import EVIL, browser

__all__ = ["axe", "browser"]

Save = Callable[..., str]
MATRIX = {
    "suite": {"version": "0.1.0", "set": "2026-1"},
    "problems": ["broken: PROP-3 did not fail in the tracker lane"],
    "subjects": [
        {
            **{
                "name": EVIL,
                "kind": "mutant",
                "outcome": "killed",
                "lanes": ["tracker"],
                "fails": ["PROP-3"],
            },
            **{"killed": ["tracker"], "survived": [], "others": [], "problems": [], "seconds": 1.25},
        }
    ],
}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return a function that writes the record of a run and returns ``NAME=PATH``."""

    def save(name: str, run: Run, day: int = 1, **info: Any) -> str:
        path = tmp_path / f"{name.encode().hex()}-{day}.jsonl"
        started = f"2026-01-{day:02}T03:04:05.000+00:00"
        with RecordWriter(path, replace(run.info, started=started, **info)) as writer:
            for result in run.results:
                writer.add(result)
            if run.load:
                writer.figures(run.load)
        return f"{name}={path}"

    return save


@pytest.fixture
def words(save: Save, green: Run, violated: Run, tmp_path: Path) -> list[str]:
    """Return records of everything that a site shows; the target of one has markup wherever it can."""
    exits = case("href-same", "chromium", Status.PASS, KEPT)
    evil = replace(violated.results[0], detail=EVIL, repro=EVIL, sent=EVIL, browser=EVIL)
    selftest = tmp_path / "selftest.json"
    selftest.write_text(json.dumps(MATRIX, indent=1), encoding="utf-8")
    return [
        save("mine", replace(green, results=(*green.results, exits)), 1),
        save("mine", replace(violated, results=(*violated.results, exits)), 2, version="0.2.0"),
        save(
            EVIL.replace("=", ":"),
            replace(violated, results=(evil,)),
            3,
            target={"tracker": EVIL},
            version=EVIL,
        ),
        save("load", replace(green, load=figures(objective={"p95_ms": 5.0, "met": False})), 4),
        str(selftest),
    ]


def run(*words: str) -> Result:
    """Run ``clickport site``."""
    return CliRunner().invoke(clickport, ["site", *words])


def test_runs_over_several_protocols_share_a_matrix(save: Save, green: Run) -> None:
    """The delivery matrix of an implementation has columns for the latest run over each protocol."""
    exits = replace(green, results=(case("href-same", "chromium", Status.PASS, KEPT),))
    records = [save("mine", exits, 1), save("mine", exits, 2, options={"protocol": "http2"})]
    page = pages(read_all(records))["delivery.html"]
    assert re.findall(r'scope="colgroup">(.*?)<', page) == ["chromium", "chromium over http2"]


def test_every_link_leads_somewhere(words: list[str]) -> None:
    """Links are relative and lead to a file of the site, and to an element of it; nothing else is loaded."""
    files = pages(read_all(words))
    assert {"index.html", "load.html", "delivery.html", "kill.html", "published-trackers.html"} <= set(files)
    assert "suite/0.2.0-2026-1/index.html" in files
    followed = 0
    for path, text in files.items():
        if not path.endswith(".html") or path.endswith("report.html"):
            continue
        assert not re.search(r"<(script|img|link|iframe|object)\b|@import|url\(", text), path
        assert not re.search(r"<[^>]* style=", text.partition("</head>")[2]), (
            "its policy allows no such style"
        )
        for link in re.findall(r'<a\b[^>]*href="([^"]+)"', text):
            if link.startswith("https://"):
                assert path == "published-trackers.html"
                continue
            target, _, anchor = link.partition("#")
            place = Path("/", path).parent.joinpath(target).resolve() if target else Path("/", path)
            assert str(place)[1:] in files, (path, link)
            assert not anchor or f'id="{anchor}"' in files[str(place)[1:]], (path, link)
            followed += 1
    assert followed > 100


def test_text_of_others_is_never_markup(words: list[str]) -> None:
    """Names, versions, targets, details and subjects are escaped in pages, badges and reports."""
    files = pages(read_all(words))
    for path, text in files.items():
        if path.endswith((".html", ".svg")):
            assert "<img src=x" not in text, path
            assert "<script>window" not in text, path
    shown = [path for path, text in files.items() if "&lt;img src=x" in text]
    assert {"index.html", "kill.html"} <= set(shown)
    assert all(re.fullmatch(r"[a-z0-9./-]+", path) for path in files)


def test_the_data_and_the_badges(words: list[str]) -> None:
    """The JSON file has each implementation with its badge as shields wants it, and runs without evidence."""
    files = pages(read_all(words))
    data = json.loads(files["clickport-results.json"])
    [mine] = [each for each in data["implementations"] if each["name"] == "mine"]
    assert mine["badge"] == json.loads(files["implementation/mine/badge.json"])
    assert mine["badge"] == {
        "schemaVersion": 1,
        "label": "clickport 2026-1",
        "message": "not conformant: PROP-1, REV-1",
        "color": "red",
    }
    assert "not conformant: PROP-1, REV-1</text>" in files["implementation/mine/badge.svg"]
    assert len(mine["runs"]) == 2
    cases = data["runs"][mine["runs"][1]]["cases"]
    assert "sent" not in cases[0]
    assert cases[0]["detail"] == 'mv[0]: expected "pro", got "free"'
    assert data["kill_matrices"][0]["problems"] == MATRIX["problems"]


def test_history_and_difference(words: list[str]) -> None:
    """Cases with several outcomes are in the history, and those of two runs are in their difference."""
    records = read_all(words)
    [own] = [d for d in differences(records) if d.before.name == d.after.name == "mine"]
    assert [change.id for change in own.worse] == [
        *("tracker/prop-1-one", "server/prop-6-half-pair", "server/rev-1-cents", "server/lint-1-twins"),
    ]
    assert (own.better, own.other, own.same) == ((), (), 2)
    page = pages(records)["implementation/mine/index.html"]
    changed, _, steady = page.partition("History of cases")[2].partition("<details>")
    assert ("tracker/prop-1-one" in changed, "tracker/prop-1-one" in steady) == (True, False)
    assert ("server/prop-1-one" in changed, "server/prop-1-one" in steady) == (False, True)


def test_a_selection_does_not_replace_a_whole_run(save: Save, green: Run, selected: Run) -> None:
    """The lanes of an implementation are shown from its latest run that was not limited; the badge, too."""
    first, last = read_all([save("mine", green, 1), save("mine", selected, 2)]).runs
    limited = replace(last, verdict=replace(last.verdict, partial=True))
    unlimited = [replace(e, verdict=replace(e.verdict, partial=False)) for e in (first, last)]
    assert {entry.id for entry in current([unlimited[0], limited]).values()} == {first.id}
    assert {entry.id for entry in current([limited, unlimited[0]]).values()} == {first.id}
    assert {entry.id for entry in current(unlimited).values()} == {last.id}
    assert {entry.id for entry in current([limited]).values()} == {last.id}


def test_badges_tell_less_than_conformant(save: Save, green: Run, violated: Run) -> None:
    """Without a verdict of everything the badge is yellow, with a violation red."""

    def tone(run: Run, **more: Any) -> str:
        [entry] = read_all([save("x", run)]).runs
        entry = replace(entry, verdict=replace(entry.verdict, **more))
        return badge(dict.fromkeys(entry.lanes, entry)).tone

    whole = {"conformant": True, "exit_code": Exit.CONFORMANT, "partial": False}
    assert tone(green, **whole) == "good"
    assert (tone(green), tone(violated)) == ("open", "bad")  # Of 60 requirements green verified two.
    assert tone(green, **{**whole, "partial": True}) == "open"
    assert tone(green, **{**whole, "exit_code": Exit.VIOLATION}) == "bad"  # For example a stale baseline.
    asked = figures(objective={"p95_ms": 5.0, "met": False, "asked": True})
    assert tone(replace(green, load=asked), **whole) == "bad"
    missed = figures(objective={"p95_ms": 5.0, "met": False})
    assert tone(replace(green, load=missed), **whole) == "open"


def test_links_stay(words: list[str]) -> None:
    """With more records the pages of the earlier ones keep their names."""
    before, after = pages(read_all(words[:2])), pages(read_all(words))
    kept = {path for path in before if path.startswith(("run/", "implementation/", "suite/", "diff/"))}
    assert kept
    assert kept <= set(after)


def test_runs_of_one_minute_are_distinguished(save: Save, green: Run, violated: Run, tmp_path: Path) -> None:
    """Each content and each name has pages of its own; a record that is given twice is one run."""
    one = save("x", green)
    Path(one.partition("=")[2]).rename(tmp_path / "first.jsonl")
    other, first = save("x", violated), f"x={tmp_path / 'first.jsonl'}"
    assert len(read_all([first, other, first, f"y={tmp_path / 'first.jsonl'}"]).runs) == 3


def test_a_badge_escapes_its_texts() -> None:
    """Texts of a badge are text in its SVG."""
    svg = Badge(label="<b>&", message='"<i>', tone="bad").as_svg()
    assert "<b>" not in svg
    assert "<i>" not in svg
    assert 'aria-label="&lt;b&gt;&amp;: &quot;&lt;i&gt;"' in svg


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a run record: it has no line of kind 'run'"),
        ("{}\n", "line 1: not a line of a run record: 'kind'"),
        ("{RUN}\n{half\n", "line 2: not a line of a run record"),
        ('{RUN}\n{"kind": "case", "id": 7}\n', "line 2: "),
        ('{RUN}\n{"kind": "end", "finished": 5, "interrupted": false}\n', "line 2: $.finished"),
        ('{RUN}\n{"kind": "load", "figures": {"plan": 1}}\n', "line 2: not the figures of a load run"),
        ("{NEWER}\n", "there is no requirement set '2099-1'"),
        ('{\n "subjects": [{}]\n}', "line 1: not a selftest report: subject 1 is incomplete"),
        ('{\n "subjects": [\n', "line 3: not JSON"),
        ('{\n "conformant": true\n}', "line 1: not a record: give the file of --run-record"),
        ("\xff", "not a run record"),
    ],
)
def test_a_record_that_cannot_be_read(
    save: Save, green: Run, tmp_path: Path, text: str, message: str
) -> None:
    """The message names file and line, the exit code is 2, and nothing is written."""
    first = Path(save("x", replace(green, results=())).partition("=")[2]).read_text("utf-8").splitlines()[0]
    bad = tmp_path / "bad.jsonl"
    newer = first.replace(f'"set": "{current_set()}"', '"set": "2099-1"')
    bad.write_bytes(text.replace("{RUN}", first).replace("{NEWER}", newer).encode("latin-1"))
    done = run(str(tmp_path / "site"), str(bad))
    assert (done.exit_code, f"{bad}" in done.output, (tmp_path / "site").exists()) == (2, True, False)
    assert message in " ".join(done.output.split())


def test_the_command(words: list[str], tmp_path: Path) -> None:
    """The site is written and counted; a file that is missing is named, with exit code 2."""
    done = run(str(tmp_path / "site"), *words)
    assert (done.exit_code, "3 implementations, 4 runs" in done.output) == (0, True)
    assert (tmp_path / "site" / "index.html").read_text("utf-8").startswith("<!doctype html>")
    done = run(str(tmp_path / "site"), "missing.jsonl")
    assert (done.exit_code, "missing.jsonl" in done.output) == (2, True)


@pytest.mark.parametrize("width", [1280, 360])
def test_pages_in_a_browser(browser: Browser, axe: str, words: list[str], tmp_path: Path, width: int) -> None:
    """From the file system each kind of page loads nothing; axe finds nothing serious; a phone suffices."""
    assert run(str(tmp_path / "site"), *words).exit_code == 0
    files: Mapping[str, str] = pages(read_all(words))
    kinds: dict[str, str] = {}
    for path in files:
        if path.endswith(".html") and not path.endswith("report.html"):
            kinds.setdefault(re.sub(r"/.*", "", path), path)
    assert len(kinds) == 9
    page = browser.new_page(
        viewport={"width": width, "height": 800}, color_scheme="dark" if width < 1280 else "light"
    )
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    for path in kinds.values():
        page.goto((tmp_path / "site" / path).as_uri())
        assert serious(page, axe) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
    page.close()
    assert heard == [(tmp_path / "site" / path).as_uri() for path in kinds.values()]
