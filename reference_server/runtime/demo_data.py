"""A year of a shop's traffic, the same for each day of the year it is made on; as lines of an import."""

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

SITE = "shop.example"
GOALS = ("Signup", "Purchase")
ZONE = "Europe/Berlin"

_DAYS = 365
_VISITS = 42  # Of a day, on average.
_WEEKEND = 0.62
_PAGES = ("/", "/", "/", "/pricing", "/pricing", "/features", "/blog/launch", "/docs", "/about")
# Name, probability after a pageview, and values of each property, the first the most common.
_EVENTS: tuple[tuple[str, float, dict[str, tuple[str, ...]]], ...] = (
    ("CTA Click", 0.13, {"button": ("hero-signup", "nav-signup", "footer"), "position": ("top", "bottom")}),
    (
        "Video Play",
        0.09,
        {"title": ("Product Demo", "Customer Story", "Tour"), "autoplay": ("false", "true")},
    ),
    ("Signup", 0.055, {"plan": ("free", "pro", "team"), "source": ("homepage", "pricing", "blog")}),
    ("Purchase", 0.035, {"plan": ("pro", "starter", "team"), "category": ("plan", "addon")}),
    ("File Download", 0.03, {"file": ("guide.pdf", "report.pdf"), "format": ("pdf",)}),
    ("Scroll End", 0.024, {}),
    ("purchase", 0.002, {"plan": ("pro",)}),
)
_PRICES = {"starter": "19.90", "pro": "49.99", "team": "149.00"}
_CURRENCIES = ("EUR", "EUR", "EUR", "USD", "USD", "GBP", "JPY")


def lines(now: datetime) -> Iterator[bytes]:
    """Yield the events up to ``now``, oldest day first."""
    draw = random.Random(1)  # noqa: S311 - believable, and the same each time
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(_DAYS):
        day = today - timedelta(days=_DAYS - 1 - number)
        season = 1 + 0.25 * math.sin(2 * math.pi * number / 365)
        growth = 0.5 + number / _DAYS
        weekday = _WEEKEND if day.weekday() > 4 else 1.0
        for visit in range(round(_VISITS * season * growth * weekday * draw.uniform(0.85, 1.15))):
            yield from _visit(draw, day, f"{number}-{visit}", now)


def _visit(draw: random.Random, day: datetime, session: str, now: datetime) -> Iterator[bytes]:
    # Most come by day, and some of them again on later days.
    moment = day + timedelta(hours=min(max(draw.gauss(14, 4.5), 0), 23.5))
    common = {"s": session, "v": f"visitor-{draw.randrange(9000)}"}
    for page in range(1 + int(draw.expovariate(0.8))):
        shown = {**common, "p": f"{session}-{page}", "u": f"https://{SITE}{draw.choice(_PAGES)}"}
        if moment > now:
            return
        yield _line({"t": "p", "at": _at(moment), **shown})
        for name, chance, properties in _EVENTS:
            if draw.random() < chance:
                after = moment + timedelta(seconds=draw.uniform(2, 25))
                if after <= now:
                    yield _line(
                        {"t": "e", "n": name, "at": _at(after), **shown, **_details(draw, name, properties)}
                    )
        moment += timedelta(seconds=draw.expovariate(1 / 70) + 30)


def _details(draw: random.Random, name: str, properties: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return properties, and the revenue of a purchase."""
    values = [choices[min(int(draw.expovariate(1.1)), len(choices) - 1)] for choices in properties.values()]
    found: dict[str, Any] = {"mk": list(properties), "mv": values}
    if name == "Purchase":
        currency = draw.choice(_CURRENCIES)
        price = _PRICES[values[0]]
        found |= {"ra": int(float(price) * 160) if currency == "JPY" else float(price), "rc": currency}
    return found


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
