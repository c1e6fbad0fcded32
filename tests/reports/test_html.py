"""The HTML report in a browser."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from conformance.browsers.playwright_engines import PLAYWRIGHT
from conformance.protocol.requirements import Requirement
from conformance.reports import write
from conformance.results.record import Run
from conformance.results.verdict import Status, Verdict
from tests.accessibility import axe, serious

__all__ = ["axe"]

EVIL = """"'><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>{{ 7 * 7 }}<!--"""

Show = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a Chromium."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with PLAYWRIGHT as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def show(
    browser: Browser, tmp_path: Path, judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]
) -> Iterator[Show]:
    """Return a function that opens the report of a run; fails if the page loads, logs or throws anything."""
    pages: list[Page] = []
    heard: list[str] = []
    path = tmp_path / "report.html"

    def show(run: Run, *, width: int = 1280, dark: bool = False, script: bool = True) -> Page:
        write("html", path, run, judged(run), registry)
        page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        page.on("request", lambda request: heard.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield show
    for page in pages:
        page.close()
    assert heard == [path.as_uri()] * len(pages)


def shown(page: Page) -> list[str]:
    """Return the ids of the visible cases."""
    return page.locator("#cases > details:visible .title").all_inner_texts()


def test_nothing_of_a_target_is_markup_or_script(show: Show, violated: Run) -> None:
    """Text from a target, a server or a path never becomes markup or script."""
    evil = replace(
        violated.results[0],
        id=EVIL,
        requirement=EVIL,
        browser=EVIL,
        detail=EVIL,
        repro=EVIL,
        sent=EVIL,
        received=[{"method": EVIL, "target": EVIL, "headers": [["cookie", EVIL]], "body": EVIL}],
        stored=[{EVIL: EVIL}],
    )
    info = replace(
        violated.info,
        target={EVIL: EVIL},
        browsers=({"name": EVIL, "version": EVIL},),
        version=EVIL,
        started=EVIL,
    )
    late = [replace(evil, status=s) for s in Status]
    page = show(replace(violated, info=info, results=(evil, *late), finished=EVIL))
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, iframe, object, script:not(:last-child)").count() == 0
    assert page.locator("dd", has_text=EVIL).first.is_visible()


def test_hostile_characters_are_made_visible(show: Show, hostile: Run) -> None:
    """Controls, lone surrogates and invisible characters are written as escapes."""
    text = show(hostile).locator(".findings .detail").first.inner_text()
    assert text.startswith(r"</script><b>&\u0000\u001b[31m\ud83d[bold]```|@all\u202e]]>\ufffe\u000d")
    assert "characters not shown" in text


def test_the_verdict_stands_on_top(show: Show, violated: Run) -> None:
    """The heading is the verdict, and the first violation is unfolded with its evidence."""
    page = show(violated)
    assert page.locator("h1").inner_text().split("\n")[-1] == (
        "Not conformant: 2 violations of PROP-1 and REV-1."
    )
    assert page.locator(".finding[open] dt").all_inner_texts()[:3] == ["called", "arrived", "repeat"]


def test_cases_are_filtered_by_status_lane_and_words(show: Show, violated: Run) -> None:
    """Each filter narrows the list, and the count changes accordingly."""
    page = show(violated)
    page.select_option("select[name=status]", "fail")
    assert shown(page) == ["tracker/prop-1-one", "server/rev-1-cents"]
    assert page.locator("#shown").inner_text() == "2 of 5 shown"
    page.select_option("select[name=lane]", "server")
    assert shown(page) == ["server/rev-1-cents"]
    page.select_option("select[name=status]", "")
    page.fill("input[name=words]", "PROP ROW")
    assert shown(page) == ["server/prop-6-half-pair"]


def test_a_link_opens_its_case_even_if_it_is_filtered_away(show: Show, violated: Run) -> None:
    """A link from a requirement opens its case, even if a filter hides it."""
    page = show(violated)
    page.select_option("select[name=status]", "error")
    page.locator("#REV-1 summary").click()
    page.locator("#REV-1 a", has_text="server/rev-1-cents").click()
    case = page.locator("#cases > details[open]")
    assert case.locator(".title").inner_text() == "server/rev-1-cents"
    assert case.locator("dt").all_inner_texts() == ["sent", "answered", "stored", "repeat"]


def test_hundreds_of_failures_are_grouped(show: Show, violated: Run) -> None:
    """For each requirement three failures are shown, and the others linked; the list has all cases."""
    first = violated.results[0]
    many = tuple(replace(first, id=f"tracker/prop-1-{n}") for n in range(300))
    page = show(replace(violated, results=many))
    assert page.locator(".finding").count() == 3
    assert page.locator(".more a").count() == 297
    assert len(shown(page)) == 300


@pytest.mark.parametrize("name", ["violated", "hostile", "green"])
def test_a_phone_need_not_scroll_sideways(show: Show, request: pytest.FixtureRequest, name: str) -> None:
    """At 360 pixels nothing is wider than the screen, even with everything unfolded."""
    page = show(request.getfixturevalue(name), width=360)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_dark_and_light_follow_the_reader(show: Show, green: Run) -> None:
    """Foreground and background are swapped in dark mode."""
    colour = "getComputedStyle(document.body).backgroundColor"
    assert show(green).evaluate(colour) == "rgb(245, 245, 247)"
    assert show(green, dark=True).evaluate(colour) == "rgb(16, 18, 24)"


def test_cases_that_ran_are_listed_unless_others_are_asked_for(show: Show, selected: Run) -> None:
    """Cases that were not run are hidden at first; a link to one of them shows it."""
    page = show(selected)
    assert page.locator("#shown").inner_text() == "4 of 6 shown"
    assert "server/rev-1-cents" not in shown(page)
    page.locator("#REV-1 summary").click()
    page.locator("#REV-1 a", has_text="server/rev-1-cents").click()
    assert page.locator("#cases > details[open] .title").inner_text() == "server/rev-1-cents"
    assert page.locator("#shown").inner_text() == "6 of 6 shown"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_index_stays_in_sight(show: Show, violated: Run, width: int) -> None:
    """At the end of the page the index is still there, and covers no target of its links."""
    page = show(violated, width=width)
    page.locator("nav a[href='#all-cases']").click()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("nav")).to_be_in_viewport()
    page.locator("nav a[href='#fail']").click()
    heading, index = page.locator("#fail h2").bounding_box(), page.locator("nav").bounding_box()
    assert heading
    assert index
    assert width > 960 or heading["y"] >= index["y"] + index["height"]


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(show: Show, violated: Run, axe: str, dark: bool) -> None:
    """With every case unfolded, in light and dark."""
    page = show(violated, width=390 if dark else 1280, dark=dark)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert serious(page, axe) == []


def test_without_script_everything_is_there(show: Show, violated: Run) -> None:
    """Without script the list is complete, and controls that would not work are hidden."""
    page = show(violated, script=False)
    assert len(shown(page)) == 5
    assert page.locator("button:visible, select:visible").count() == 0
