"""The HTML report as a document: landmarks, order, ids, pictures, the colour of the verdict."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from conformance.protocol.requirements import Lane, Requirement
from conformance.reports import html, summary
from conformance.results.record import Run
from conformance.results.verdict import Status, Verdict
from tests.reports.figures import figures
from tests.reports.test_delivery import picture
from tests.reports.test_pictures import blank

Render = Callable[[Run], str]
_LANDMARKS = {"main": "main", "nav": "navigation", "aside": "complementary"}


@pytest.fixture
def render(judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]) -> Render:
    """Return the HTML report of a run."""
    return lambda run: html.render(run, judged(run), registry)


class _Landmarks(HTMLParser):
    """Counts landmarks; sections and forms with a name are landmarks, too."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = dict(attributes)
        role = names.get("role") or _LANDMARKS.get(tag, "")
        if tag in ("header", "footer") and not {"main", "section", "article"} & set(self._open):
            role = {"header": "banner", "footer": "contentinfo"}[tag]
        if tag == "section" and {"aria-label", "aria-labelledby"} & set(names):
            role = "region"
        if role in (*_LANDMARKS.values(), "banner", "contentinfo", "region", "search", "form"):
            self.count[role] += 1
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass


def test_there_is_one_landmark_of_each_kind(render: Render, violated: Run) -> None:
    """With load figures, a delivery matrix and findings of every kind."""
    landmarks = _Landmarks()
    landmarks.feed(render(replace(violated, load=figures())))
    assert landmarks.count == dict.fromkeys(("banner", "navigation", "main", "search", "contentinfo"), 1)


def test_violations_come_first(render: Render, violated: Run) -> None:
    """The first section is that of the violations, and the index lists the sections in their order."""
    text = render(violated)
    sections = re.findall(r'<section id="([^"]+)"', text)
    assert sections == ["fail", "error", "warning", "verified", "ledger", "requirements", "all-cases"]
    nav = text[text.index("<nav") : text.index("</nav>")]
    assert [link for link in re.findall(r'href="#([^"]+)"', nav) if link in sections] == sections


def test_no_line_break_divides_an_id(render: Render, violated: Run) -> None:
    """Outside of attributes, ``pre`` and cases' ids, each id of a requirement is marked as unbreakable."""
    failed = replace(violated.results[0], detail="see PROP-1, <b>REV-1</b>")
    text = render(replace(violated, results=(failed, *violated.results[1:])))
    body = re.sub(r"<(style|script|pre|title)\b.*?</\1>", "", text[text.index("<body") :], flags=re.DOTALL)
    assert body.count('<span class="id">') == len(re.findall(r'<span class="id">[A-Z]+-\d+</span>', body))
    # The links of .names are kept on one line by the style sheet.
    others = re.sub(r'<p class="names.*?</p>|<span class="id">[^<]*</span>', "", body, flags=re.DOTALL)
    assert re.findall(r">[^<]*\b[A-Z]{2,}-\d+\b", others) == []
    assert 'see <span class="id">PROP-1</span>, &lt;b&gt;<span class="id">REV-1</span>&lt;/b&gt;' in body


def test_a_blank_picture_is_left_out(render: Render, violated: Run) -> None:
    """A picture of one colour is replaced by a sentence; any other picture is shown."""
    failed = violated.results[0]

    def page(screenshot: str) -> str:
        return render(replace(violated, results=(replace(failed, screenshot=screenshot),)))

    assert "The page was blank" in page(blank())
    assert "<img" not in page(blank())
    assert "The page was blank" not in page(picture())
    assert "<img" in page(picture())


def test_only_tested_targets_are_named(green: Run) -> None:
    """A target is named if a case of its lanes has run, or, if none has, if its lanes were asked for."""
    target = {"tracker": "t.js", "server": "s", "readback": "r"}
    run = replace(green, info=replace(green.info, target=target))

    def named(lane: Lane) -> list[str]:
        others = [
            r if r.lane is lane else replace(r, status=Status.NOT_RUN, deselected=True) for r in run.results
        ]
        return list(summary.targets(replace(run, results=tuple(others))))

    assert (named(Lane.TRACKER), named(Lane.SERVER)) == (["tracker"], ["server", "readback"])
    assert list(summary.targets(run)) == list(target)
    nothing = replace(run, results=(), info=replace(run.info, lanes=(Lane.TRACKER,)))
    assert list(summary.targets(nothing)) == ["tracker"]


@pytest.mark.parametrize(
    ("strict", "without", "sentence"),
    [
        (False, "", "every MUST of tracker and server"),
        (True, "", "every MUST and PROP-6 of tracker and server"),
        (False, "REV-1", "PROP-1 of tracker and server"),
        (True, "REV-1", "PROP-1 and PROP-6 of tracker and server"),
    ],
)
def test_every_stands_for_several(
    green: Run, judged: Callable[[Run], Verdict], strict: bool, without: str, sentence: str
) -> None:
    """A level with one requirement is named by it."""
    run = replace(green, info=replace(green.info, options={"strict": strict}))
    verdict = judged(run)
    rows = tuple(row for row in verdict.requirements if row.id != without)
    headline = summary.headline(run, replace(verdict, requirements=rows))
    assert headline.sentence == f"conformant: {sentence} was verified"


@pytest.mark.parametrize(
    ("objective", "tone"),
    [
        ({"met": True, "asked": True}, "good"),
        ({"met": False}, "open"),
        ({"met": False, "asked": False}, "open"),
        ({"met": False, "asked": True}, "bad"),
    ],
)
def test_a_missed_objective_is_not_green(
    render: Render,
    green: Run,
    judged: Callable[[Run], Verdict],
    objective: dict[str, bool],
    tone: str,
) -> None:
    """Red if the user set the objective, else neither red nor green; the figure is red."""
    run = replace(green, load=figures() | {"objective": {"p95_ms": 50.0, **objective}})
    missed, text = not objective["met"], render(run)
    assert summary.headline(run, judged(run)).tone == tone
    assert f'<header class="{tone}">' in text
    assert ("The load objective was missed: p95 12 ms and 0 errors in 300 requests" in text) is missed
    assert ('<div class="fail"><dt>objective</dt>' in text) is missed
    assert ("but the load objective was missed" in text) is (tone == "bad")
