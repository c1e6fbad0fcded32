"""Findings of axe-core on a page, for all tests of pages; import the fixture where it is used."""

from pathlib import Path

import pytest
from playwright.sync_api import Page


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    npm = Path(__file__).parents[1] / "reference_server" / "web" / "dashboard" / "npm"
    source = npm / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        pytest.skip("axe-core is not here: (cd reference_server/web/dashboard/npm && npm ci)")
    return source.read_text(encoding="utf-8")


def serious(page: Page, axe: str) -> list[str]:
    """Return the findings that axe rates serious or critical, with their places."""
    page.evaluate(axe)  # A script element would be refused by the page's policy.
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 5, "axe has looked"
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
