"""A site's dashboard in a browser: visible rows and figures, and controls to click."""

import json
from collections.abc import Mapping
from typing import Any
from unicodedata import category
from urllib.parse import urlencode

from conformance.browsers import Tab
from conformance.drivers.demo_site import Site
from conformance.protocol.outcomes import Violation

_SECONDS = 5.0
_SHORT = 60
_CLICKS = 5

# Helpers: visible elements, their accessible name, and controls by label or text.
_EYES = """
const seen = (selector, root = document) =>
  [...root.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
const nameOf = (e) => (e.getAttribute('aria-label') || e.innerText).trim();
const called = (selector, text, root) => seen(selector, root).find((e) => e.innerText.trim() === text);
const control = (text) => seen('label').find((e) => e.innerText.trim().startsWith(text))?.control
  ?? seen('[aria-label]').find((e) => nameOf(e) === text);
const row = (selector, key, name) => seen(selector).find((e) => e.dataset[key] === name);
"""

# Keeps clicks from all elements but one: a page may move after a click was aimed at a place in it.
_AIM = """
window.clickportAim?.end.abort();
const end = new AbortController(), aim = window.clickportAim = { end, hit: false };
for (const kind of ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'])
  addEventListener(kind, (event) => {
    if (event.composedPath().includes(document.querySelector(%s))) aim.hit ||= kind === 'click';
    else { event.preventDefault(); event.stopImmediatePropagation() }
  }, { capture: true, signal: end.signal });
"""
# A page that was left meanwhile has been clicked.
_HIT = "const aim = window.clickportAim; aim?.end.abort(); return aim?.hit ?? true"


class DashboardPage:
    """The dashboard of a site in a browser tab."""

    def __init__(self, site: Site, tab: Tab) -> None:
        self._site = site
        self._tab = tab

    def open(self, panel: str = "Events", **query: str) -> None:
        """Load the dashboard and choose a tab of its Goals panel. Raises NotTestable if there is no page."""
        self._goto("", query)
        self._do(f"called('[role=tab]', {json.dumps(panel)}).click()", f"no tab named {panel!r}")

    def open_goals(self) -> None:
        """Load Settings → Goals. Raises NotTestable if there is no page."""
        self._goto("/settings/goals", {})

    def events(self) -> list[tuple[str, int]]:
        """Return names and counts of the visible event rows, in page order."""
        return self._rows("[data-event]", "[e.dataset.event, Number(e.dataset.count)]")

    def texts(self) -> dict[str, str]:
        """Return the text of each event's row."""
        return dict(self._rows("[data-event]", "[e.dataset.event, e.innerText]"))

    def arrows(self) -> list[tuple[str, int]]:
        """Return the names of events and the number of arrows in the row of each."""
        return self._rows("[data-event]", "[e.dataset.event, seen('button[aria-expanded]', e).length]")

    def properties(self) -> list[tuple[str, int]]:
        """Return names and counts of the visible properties, sorted."""
        return sorted(self._rows("[data-property]", "[e.dataset.property, Number(e.dataset.count)]"))

    def values(self) -> list[tuple[str, int]]:
        """Return visible values and their counts, in page order."""
        return self._rows("[data-property-value]", "[e.dataset.propertyValue, Number(e.dataset.count)]")

    def revenue(self) -> dict[str, dict[str, str]]:
        """Return the text of each event's amounts, by currency."""
        rows = self._rows(
            "[data-event]",
            "[e.dataset.event, seen('[data-revenue]', e).map((m) => [m.dataset.revenue, m.innerText])]",
        )
        return {name: dict(amounts) for name, amounts in rows}

    def goals(self) -> dict[str, tuple[int, float]]:
        """Return conversions and rate (in percent) of each visible goal."""
        row = "[e.dataset.goal, Number(e.dataset.conversions), Number(e.dataset.rate)]"
        return {name: (number, rate) for name, number, rate in self._rows("[data-goal]", row)}

    def goal_names(self) -> list[str]:
        """Return the names of the visible goals, in page order."""
        return [name for (name,) in self._rows("[data-goal]", "[e.dataset.goal]")]

    def kpis(self) -> dict[str, float]:
        """Return the KPIs by key."""
        value = "Number(e.querySelector('[data-value]').dataset.value)"
        return dict(self._rows("[data-kpi]", f"[e.dataset.kpi, {value}]"))

    def usage(self) -> list[int]:
        """Return the usage figures of the current month."""
        return [number for (number,) in self._rows("[data-usage]", "[Number(e.dataset.usage)]")]

    def require_text(self, name: str, text: str) -> None:
        """Require that a row shows its name unchanged, at least the first 60 characters. Raises Violation."""
        if _shown(name[:_SHORT]) not in _shown(text):
            raise Violation(f"the row of {name[:_SHORT]!r} reads {text[:_SHORT]!r}")

    def require_harmless(self) -> None:
        """Require that no text sent by a visitor became an element or ran as script. Raises Violation."""
        if self.ask("return window.hacked === 1"):
            raise Violation("a script that a visitor sent was run in the dashboard")
        if found := self.ask("return document.querySelector(\"img[src='x'], [onmouseover]\")?.outerHTML"):
            raise Violation(f"text that a visitor sent became an element: {found[:_SHORT]}")

    def unfold(self, selector: str) -> None:
        """Click the arrow of a row, once. Raises Violation if there is no arrow, or none that clicks reach.

        A click that misses, because the page moves, reaches nothing else and is made again.
        """
        arrow = f"{selector} button[aria-expanded]"
        for _ in range(_CLICKS):
            self.ask(_AIM % json.dumps(arrow))
            try:
                self._tab.click(arrow)
            except TimeoutError as error:
                raise Violation(f"no arrow to click at {selector}: {error}") from error
            if self.ask(_HIT):
                return
        raise Violation(f"no click reaches the arrow at {selector}: the page moves, or covers it")

    def create_goal(self, name: str) -> None:
        """Fill in and submit the form of Settings → Goals. Raises Violation if a label is missing."""
        self._do(
            f"""const type = control('Goal type');
            type.value = [...type.options].find((o) => o.text.trim() === 'Custom Event').value;
            const input = control('Event name');
            const typed = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
            typed.set.call(input, {json.dumps(name)});
            for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind, {{ bubbles: true }}));
            called('button', 'Create goal').click()""",
            "no form with Goal type, Event name and Create goal",
        )

    def delete_goal(self, name: str) -> None:
        """Click a goal's Delete button in Settings → Goals. Raises Violation without a button."""
        self._do(
            f"called('button', 'Delete', row('[data-goal]', 'goal', {json.dumps(name)})).click()",
            f"no Delete button at the goal {name!r}",
        )

    def until(self, condition: str) -> None:
        """Wait up to 5 s for a JavaScript condition, across a navigation; return silently on timeout."""
        try:
            self._tab.wait_until(f"(() => {{ {_EYES} return {condition} }})()", _SECONDS)
        except TimeoutError:
            return

    def until_goals(self, names: list[str]) -> None:
        """Wait up to 5 s until exactly these goals are visible, in any order."""
        shown = "JSON.stringify(seen('[data-goal]').map((e) => e.dataset.goal).sort())"
        self.until(f"{shown} === JSON.stringify({json.dumps(names)}.sort())")

    def ask(self, script: str) -> Any:
        """Run a function body in the page, with the helpers above, and return its value."""
        return self._tab.run(_EYES + script)

    def _goto(self, path: str, query: Mapping[str, str]) -> None:
        url = self._site.dashboard.require_page(self._site.domain, path)
        self._log_in(url)
        self._tab.goto(f"{url}?{urlencode(query)}" if query else url)

    def _log_in(self, url: str) -> None:
        """Log in by the form shown in place of the page, if there is a key and a form."""
        if not (key := self._site.dashboard.key):
            return
        self._tab.goto(url)
        if self.ask("return Boolean(seen('input[type=password]').length)"):
            self.ask(
                f"""const input = seen('input[type=password]')[0];
                input.value = {json.dumps(key)}; input.form.requestSubmit()"""
            )
            self.until("!seen('input[type=password]').length")

    def _rows(self, selector: str, columns: str) -> list[Any]:
        found = self.ask(f"return seen({json.dumps(selector)}).map((e) => {columns})")
        return [tuple(row) for row in found]

    def _do(self, script: str, otherwise: str) -> None:
        """Run a script on visible elements. Raises Violation with the text ``otherwise`` if it throws."""
        thrown = self.ask(f"try {{ {script} }} catch (error) {{ return String(error) }} return ''")
        if thrown:
            raise Violation(f"{otherwise} at {self._tab.url} ({thrown})")


def _shown(text: str) -> str:
    """Return the visible part of a text: single spaces, no format characters, which browsers may drop."""
    return " ".join("".join(c for c in text if category(c) != "Cf").split())


def open_page(site: Site, tab: Tab, panel: str = "Events", **query: str) -> DashboardPage:
    """Wait until the dashboard knows the site's events, and return its page in the tab, loaded."""
    site.settle()
    page = DashboardPage(site, tab)
    page.open(panel, **query)
    return page
