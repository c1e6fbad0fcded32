"""A browser that the installed Playwright cannot drive costs that engine alone, and is named."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    playwright_limits,
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
    monkeypatch.setattr(engine, "version", lambda _: "1.65.2")
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


@pytest.mark.parametrize("number", ["1.63.0", "1.64.9"])
def test_a_playwright_that_drives_it_is_not_tried(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    """Up to Playwright 1.64 nothing is started to find out."""
    monkeypatch.setattr(engine, "version", lambda _: number)
    monkeypatch.setattr(playwright_engines, "problem_with", None)
    stock = Installed(name="firefox", version="1", path="/x", stock=True)
    assert engine._problem(stock) == ""


def test_an_internal_api_that_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Playwright that is newer than known is tried; one whose methods differ cannot drive Chromium."""
    monkeypatch.setattr(engine, "version", lambda _: "9.0.0")
    chromium = find("chromium")
    forget()
    assert engine._problem(chromium) == ""

    def differs(*_: object) -> None:
        raise TypeError("evaluate() takes 9 arguments")

    monkeypatch.setattr(playwright_limits, "asked", differs)
    forget()
    assert "(evaluate() takes 9 arguments): pip install 'playwright<1.66'" in engine._problem(chromium)
    forget()


def test_methods_without_default_values_get_none() -> None:
    """A method like those of Playwright 1.65, whose arguments have no default values, can be called."""

    def close(run_before_unload: object, reason: object) -> tuple[object, ...]:
        return run_before_unload, reason

    def evaluate(expression: str, arg: object = 7) -> tuple[object, ...]:
        return expression, arg

    asked: Any = playwright_limits.asked
    assert (asked(close), asked(evaluate, "1")) == ((None, None), ("1", 7))
    assert asked(close, reason="done") == (None, "done")


SHELL = Installed(name="chromium", version="1", path="/shell", stock=True)


@pytest.mark.parametrize(
    ("given", "there", "used"),
    [
        (SHELL, True, "Chromium itself"),
        (SHELL, False, "/shell"),
        (replace(SHELL, stock=False), True, "/shell"),
        (replace(SHELL, name="firefox"), True, "/shell"),
    ],
)
def test_pages_are_kept_by_chromium_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: Installed, there: bool, used: str
) -> None:
    """Chromium stands in for its headless shell, which keeps no page, where pages are to be kept."""
    program = tmp_path / "chromium"
    if there:
        program.write_text("#!/bin/sh\necho Chromium 156.0.1\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    expected = replace(given, path=str(program), version="156.0.1") if used == "Chromium itself" else given
    assert engine._keeping_pages(given) == expected
