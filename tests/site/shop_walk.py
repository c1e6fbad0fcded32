"""The walk through fixtures/shop that its tests take, good shop or faulty, by Playwright or Selenium."""

from typing import Any


class Hands:
    """The same few actions in Playwright's page and in Selenium's driver."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self._selenium = hasattr(page, "execute_script")

    def goto(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        (self.page.get if self._selenium else self.page.goto)(url)

    def click(self, selector: str) -> None:
        """Click an element once it is there."""
        if not self._selenium:
            self.page.click(selector)
            return
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.wait import WebDriverWait

        wait = WebDriverWait(self.page, 10)
        wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, selector))[0].click()

    def arrive(self, path: str) -> None:
        """Wait until the page that a click leads to has loaded, as a person does."""
        if not self._selenium:
            self.page.wait_for_url(f"**{path}")
            return
        from selenium.webdriver.support.wait import WebDriverWait

        ready = "return location.pathname + ' ' + document.readyState"
        WebDriverWait(self.page, 10).until(lambda driver: driver.execute_script(ready) == f"{path} complete")

    def click_in_frame(self, selector: str) -> None:
        """Click an element of the page's only frame."""
        if self._selenium:
            self.page.switch_to.frame(0)
            self.click(selector)
            self.page.switch_to.default_content()
        else:
            self.page.frame_locator("iframe").locator(selector).click()


def walk(page: Any, clickport: Any, shop: str, seconds: float = 5.0) -> None:
    """Use each page of the shop, and expect its events. Raises AssertionError for a fault."""
    hands = Hands(clickport.attach(page))
    hands.goto(f"{shop}/")
    hands.click("#accept")
    clickport.expect("Consent", seconds=seconds)
    hands.click("a[href='/signup']")
    hands.arrive("/signup")
    hands.click("#signup")
    clickport.expect("Signup", {"plan": "pro", "seats": 3}, seconds=seconds)
    hands.goto(f"{shop}/product")
    hands.click("#add")
    clickport.expect("Add To Cart", {"sku": "ABC-1", "quantity": 2}, seconds=seconds)
    hands.goto(f"{shop}/checkout")
    clickport.expect("Product Left", {"sku": "ABC-1"}, seconds=seconds)
    clickport.expect("Checkout Shown", seconds=seconds)
    clickport.none("Purchase")
    hands.click("#root button")
    clickport.expect("Purchase", {"sku": "ABC-1"}, revenue=(49.99, "EUR"), seconds=seconds)
    hands.goto(f"{shop}/video")
    hands.click_in_frame("#play")
    clickport.expect("Video Play", {"title": "Demo"}, exactly=True, seconds=seconds)
    hands.goto(f"{shop}/")
    clickport.none("Error*")
    clickport.conclude()
