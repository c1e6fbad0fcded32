"""Screenshots of failing cases: when they are taken, and when not."""

import base64
import shutil
from collections.abc import Iterator

import pytest

from conformance.browsers import Browser, Pictures, find, start

PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium-headless-shell") or shutil.which("chromium")), reason="needs Chromium"
)


class Failed(AssertionError):
    """Failure of a case in these tests."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a Chromium."""
    with start(find("chromium")) as running:
        yield running


def closes_its_tab(pictures: Pictures, browser: Browser, error: BaseException | None) -> str:
    """Return the picture of a case that raises ``error`` and closes its tab."""
    try:
        tab = pictures.watch(browser.tab())
        try:
            tab.goto("data:text/html,<h1>here")
            if error:
                raise error
        finally:
            tab.close()
        assert tab.closed
    except BaseException as raised:
        return pictures.of(raised)
    return pictures.of(None)


def test_a_failing_case_is_pictured_before_it_closes_its_tab(browser: Browser) -> None:
    """Only a case that fails has a picture, a PNG; one that passes or has an error of the suite has none."""
    pictures = Pictures(Failed)
    assert closes_its_tab(pictures, browser, None) == ""
    assert closes_its_tab(pictures, browser, RuntimeError()) == ""
    assert base64.b64decode(closes_its_tab(pictures, browser, Failed())).startswith(PNG)
    pictures.begin()
    assert closes_its_tab(pictures, browser, Failed()) == "", "the case before it looked the same"


def test_a_tab_that_stays_open_is_pictured_afterwards(browser: Browser) -> None:
    """A tab that stays open is pictured after its case, once for each case."""
    pictures = Pictures(Failed)
    tab = pictures.show(pictures.watch(browser.tab()))
    assert base64.b64decode(pictures.of(Failed())).startswith(PNG)
    pictures.begin()
    tab.goto("data:text/html,<h1>another")
    assert pictures.of(Failed()) == ""
    tab.close()


def test_a_tab_that_is_gone_has_no_picture_and_no_error(browser: Browser) -> None:
    """A closed tab has no picture, and taking it raises nothing."""
    pictures = Pictures(Failed)
    tab = pictures.show(browser.tab())
    tab.close()
    assert pictures.of(Failed()) == ""


def test_a_case_that_requires_nothing_is_not_pictured(browser: Browser) -> None:
    """A case of a MAY has no picture."""
    pictures = Pictures(Failed)
    pictures.begin(wanted=False)
    assert closes_its_tab(pictures, browser, Failed()) == ""
