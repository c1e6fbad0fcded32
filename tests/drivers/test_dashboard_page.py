"""Clicks in a dashboard's page that moves."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast
from urllib.parse import quote

import pytest

from conformance.browsers import BROWSERS, BrowserMissing, Tab, find, start, webkit
from conformance.drivers.dashboard_page import DashboardPage
from conformance.drivers.demo_site import Site
from conformance.protocol.outcomes import Violation

# A row of 40 pixels, the arrow at its left.
PAGE = "data:text/html," + quote("""<style>* { margin: 0 } .row { height: 40px }</style><div id=above></div>
<div class=row data-event=Signup><button aria-expanded=false>open</button></div>
<button id=other>other</button><script>
window.clicks = []; window.others = []; window.moves = 0
var arrow = document.querySelector('[aria-expanded]'), above = document.getElementById('above')
arrow.addEventListener('click', () => clicks.push(performance.now()))
for (const kind of ['pointerdown', 'mousedown', 'mouseup', 'click'])
  addEventListener(kind, ({ target }) => { if (target !== arrow) others.push(kind) })
</script>""")
COVER = '<div style="position: fixed; inset: 0">'
# Content comes in above the row when the pointer has reached the arrow, as an update of the page may do.
MOVES = """arrow.addEventListener('mousemove', () => {
  if (moves++ < %d) above.style.height = `${400 - (above.offsetHeight)}px` })"""


@pytest.fixture(scope="module", params=BROWSERS)
def tab(request: pytest.FixtureRequest) -> Iterator[Tab]:
    """Yield a tab of each installed engine."""
    try:
        found = find(request.param)
    except BrowserMissing as missing:
        pytest.skip(str(missing))
    with start(found) as browser:
        yield browser.tab()


@pytest.fixture
def short_time(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let WebKit wait for 0.5 s; skip the other engines, which wait by themselves for 15 s."""
    if not isinstance(tab, webkit._WebKitTab):
        pytest.skip("the waiting of Playwright is tested there")
    monkeypatch.setattr(webkit, "_SECONDS", 0.5)


def page_of(tab: Tab, script: str) -> DashboardPage:
    """Load the page in a tab, and run a script in it."""
    tab.goto(PAGE)
    tab.run(script)
    return DashboardPage(cast("Site", SimpleNamespace()), tab)


@pytest.mark.parametrize("script", ["", MOVES % 1])
def test_arrow_is_clicked_once(tab: Tab, script: str) -> None:
    """The arrow gets one click, and nothing else is clicked, although the page moves before the click."""
    page_of(tab, script).unfold("[data-event=Signup]")
    assert tab.run("return [clicks.length, others]") == [1, []]


def test_arrow_that_does_nothing_is_clicked_once(tab: Tab) -> None:
    """A click that reached the arrow is not repeated, whatever the page makes of it."""
    page_of(tab, "document.addEventListener('click', (e) => e.stopPropagation(), true)").unfold(
        "[data-event=Signup]"
    )
    assert tab.run("return [clicks.length, others]") == [0, []]


@pytest.mark.usefixtures("short_time")
def test_covered_arrow_is_a_violation(tab: Tab) -> None:
    """DASH-2: an arrow that no click reaches is a violation, and what covers it gets no click."""
    page = page_of(tab, f"document.body.insertAdjacentHTML('beforeend', '{COVER}')")
    with pytest.raises(Violation, match="arrow"):
        page.unfold("[data-event=Signup]")
    assert tab.run("return [clicks.length, others]") == [0, []]


@pytest.mark.usefixtures("short_time")
def test_row_without_an_arrow_is_a_violation(tab: Tab) -> None:
    """DASH-2: a row without an arrow is a violation."""
    with pytest.raises(Violation, match="no arrow to click"):
        page_of(tab, "arrow.remove()").unfold("[data-event=Signup]")
