"""A browser that the installed Playwright cannot drive costs that engine alone, and its name is told."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Error as PlaywrightError

from conformance.browsers import (
    Browser,
    BrowserMissing,
    Installed,
    engine,
    find,
    installed,
    playwright_engines,
)
from conformance.cli import main
from conformance.harness.options import Options
from conformance.harness.run_context import prepare

UNKNOWN = "Browser.new_context: Protocol error (emulation.setMediaFeaturesOverride): unknown command"


def forget() -> None:
    """Forget what was found out about browsers."""
    for kept in (engine.find, engine._stock, playwright_engines.problem_with):
        kept.cache_clear()


@pytest.fixture
def newer_playwright(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Install a Firefox ESR that answers as the present one does to Playwright 1.65."""
    program = tmp_path / "firefox-esr"
    program.write_text("#!/bin/sh\necho Mozilla Firefox 153.8.0esr\n", encoding="utf-8")
    program.chmod(0o755)
    search = shutil.which

    def which(name: str) -> str | None:
        return str(program) if name == "firefox-esr" else search(name)

    @contextmanager
    def cannot(_: Installed, **__: bool) -> Iterator[Browser]:
        raise PlaywrightError(f"{UNKNOWN}\nCall log: …")
        yield

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(playwright_engines, "version", lambda _: "1.65.2")
    monkeypatch.setattr(playwright_engines, "by_playwright", cannot)
    monkeypatch.setattr(playwright_engines, "downloaded", lambda _: None)
    forget()
    yield
    forget()


@pytest.mark.usefixtures("newer_playwright")
def test_the_others_are_used(tmp_path: Path) -> None:
    """Firefox is left out, the run goes on with the others, and its record says why."""
    names = [browser.name for browser in installed()]
    assert "firefox" not in names
    assert "chromium" in names
    script = tmp_path / "t.js"
    script.write_text("1", encoding="utf-8")
    with prepare(Options(tracker=str(script))) as context:
        [unusable] = context.info().unusable
    assert unusable["name"] == "firefox"
    assert (
        f"Playwright 1.65.2 cannot drive Firefox 153.8.0esr at {tmp_path}/firefox-esr" in unusable["reason"]
    )
    assert UNKNOWN in unusable["reason"]


@pytest.mark.usefixtures("newer_playwright")
def test_a_browser_that_is_asked_for_is_missing() -> None:
    """Named by the user, Firefox cannot run, and the message names two ways out."""
    with pytest.raises(BrowserMissing, match=r"playwright<1\.65.*playwright install firefox"):
        find("firefox")


@pytest.mark.usefixtures("newer_playwright")
def test_doctor_says_so() -> None:
    """`clickport doctor` names the versions, and does not fail: the other engines can check."""
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0
    assert "absent   firefox: Playwright 1.65.2 cannot drive Firefox 153.8.0esr" in done.output


def test_a_playwright_that_drives_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to Playwright 1.64 nothing is started to find out."""
    monkeypatch.setattr(playwright_engines, "version", lambda _: "1.64.9")
    monkeypatch.setattr(playwright_engines, "by_playwright", None)
    forget()
    assert (
        playwright_engines.problem_with(Installed(name="firefox", version="1", path="/x", stock=True)) == ""
    )
    forget()
