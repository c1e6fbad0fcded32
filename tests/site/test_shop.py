"""The demonstration shop: the good one is clean, and each single fault is noticed by name."""

import importlib.util
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.browsers import BrowserMissing, find, start
from conformance.browsers.playwright_engines import PLAYWRIGHT, _launch
from conformance.recorder import Recorder
from conformance.site.observer import Clickport
from conformance.site.plan import read_plan
from tests.serving import serving
from tests.site.shop_walk import walk

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "fixtures" / "shop"
FAULTS = tomllib.loads((SHOP / "faults.toml").read_text(encoding="utf-8"))
# One engine in CI; `CLICKPORT_ENGINES=chromium,firefox` runs the table of docs/site-faults.md.
SECONDS = 2.0
"""Time for an event of a faulty shop: those that are missing cost it."""
ASKED = os.environ.get("CLICKPORT_ENGINES", "chromium").split(",")
ENGINES = [name for name in ASKED if name != "webkit"]
"""The engines that Playwright drives; WebKitGTK is driven by Selenium."""


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("clickport_shop", SHOP / "shop.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(*faults: tuple[str, str, str]) -> Iterator[str]:
    """Serve the shop with faults; yield its origin."""
    with serving(_module().create_app(faults)) as origin:
        yield origin


@pytest.fixture(scope="module", params=ENGINES)
def browser(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Run a browser by Playwright's own API, as users do."""
    try:
        installed = find(request.param)
    except BrowserMissing as error:
        pytest.skip(str(error))
    if not (ROOT / "fixtures" / "shop" / "dist" / "shop-checkout.js").exists():
        pytest.skip("the checkout is not built: make setup")
    with PLAYWRIGHT as playwright:
        launched = getattr(playwright, request.param).launch(**_launch(installed, frozen_pages=False))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """Open a page in a context of its own."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """Run a recorder."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def observer(recorder: Recorder) -> Iterator[Clickport]:
    """Return the object that the fixture gives to a test, with the shop's plan."""
    observer = Clickport(recorder, plan=read_plan(SHOP / "tracking-plan.toml"))
    yield observer
    observer.close()


def test_good_shop_is_clean(page: Any, observer: Clickport) -> None:
    """The walk passes, and its events are in the order of the walk."""
    with served() as shop:
        walk(page, observer, shop)
    assert [event.name for event in observer.events] == [
        *("Consent", "Signup", "Add To Cart", "Product Left", "Checkout Shown", "Purchase", "Video Play")
    ]


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_noticed(page: Any, observer: Clickport, name: str) -> None:
    """The walk fails, and its message names the fault."""
    fault = FAULTS[name]
    one = (fault["file"], fault["old"], fault["new"])
    with served(one) as shop, pytest.raises(AssertionError) as failed:
        walk(page, observer, shop, seconds=SECONDS)
    assert fault["noticed"] in str(failed.value)


@pytest.mark.skipif("webkit" not in ASKED, reason="one engine in CI")
@pytest.mark.parametrize("name", ["", *FAULTS])
def test_webkit(observer: Clickport, name: str) -> None:
    """In WebKitGTK, driven by Selenium, the good shop is clean and each fault is noticed."""
    fault = FAULTS.get(name)
    faults = [(fault["file"], fault["old"], fault["new"])] if fault else []
    with served(*faults) as shop, start(find("webkit")) as browser:
        driver: Any = browser.tab()._driver  # type: ignore[attr-defined]
        if not fault:
            walk(driver, observer, shop)
            return
        with pytest.raises(AssertionError) as failed:
            walk(driver, observer, shop, seconds=SECONDS)
    # Selenium has no access to the console.
    assert fault.get("without_console", fault["noticed"]) in str(failed.value)
