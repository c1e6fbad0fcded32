"""The walk through fixtures/shop that its tests take, good shop or faulty."""

from typing import Any


def walk(page: Any, clickport: Any, shop: str, seconds: float = 5.0) -> None:
    """Use each page of the shop, and expect its events. Raises AssertionError for a fault."""
    clickport.attach(page)
    page.goto(f"{shop}/")
    page.get_by_role("button", name="Accept").click()
    clickport.expect("Consent", seconds=seconds)
    page.get_by_role("link", name="Sign up").click()
    page.get_by_role("button", name="Sign up").click()
    clickport.expect("Signup", {"plan": "pro", "seats": 3}, seconds=seconds)
    page.goto(f"{shop}/product")
    page.get_by_role("button", name="Add to cart").click()
    clickport.expect("Add To Cart", {"sku": "ABC-1", "quantity": 2}, seconds=seconds)
    page.goto(f"{shop}/checkout")
    clickport.expect("Product Left", {"sku": "ABC-1"}, seconds=seconds)
    clickport.expect("Checkout Shown", seconds=seconds)
    clickport.none("Purchase")
    page.get_by_role("button", name="Buy").click()
    clickport.expect("Purchase", {"sku": "ABC-1"}, revenue=(49.99, "EUR"), seconds=seconds)
    page.goto(f"{shop}/video")
    page.frame_locator("iframe").get_by_role("button", name="Play").click()
    clickport.expect("Video Play", {"title": "Demo"}, exactly=True, seconds=seconds)
    page.goto(f"{shop}/")
    clickport.none("Error*")
    clickport.conclude()
