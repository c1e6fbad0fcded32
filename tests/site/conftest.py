"""Fixtures of the tests about tools for a site: a plan, events, and the command in a folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conformance.cli import main

PLAN = """
[events.Signup]
owner = "growth"
description = "An account was made."
[events.Signup.properties.plan]
values = ["free", "pro"]
[events.Signup.properties.seats]
type = "integer"
required = false
most = 2

[events.Purchase]
revenue = { currencies = ["EUR"], least = 0, most = 1000 }
[events.Purchase.properties.sku]
pattern = "[A-Z]{3}-\\\\d+"
[events.Purchase.properties."is gift"]
type = "boolean"
required = false

[events."Video Play"]
other_properties = true
"""


def body(name: Any = "Signup", properties: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """Return a payload of the protocol."""
    given = {"plan": "pro"} if properties is None else properties
    return {"t": "e", "n": name, "mk": list(given), "mv": list(given.values()), **members}


def entry(payload: Any, *, method: str = "POST", path: str = "/api/event", **more: Any) -> dict[str, Any]:
    """Return an entry of a HAR; ``payload`` is the body as data, as text, or None."""
    text = payload if isinstance(payload, str | None) else json.dumps(payload)
    request = {
        "method": method,
        "url": f"https://stats.example{path}",
        "headers": [{"name": k, "value": v} for k, v in more.pop("headers", {}).items()],
        **({} if text is None else {"postData": {"mimeType": "text/plain", "text": text}}),
    }
    return {
        "startedDateTime": more.pop("at", "2026-11-29T12:00:00.000Z"),
        "request": request,
        "response": {"status": more.pop("status", 202)},
        **more,
    }


def har(path: Path, *entries: dict[str, Any], creator: str = "Playwright") -> Path:
    """Write a HAR with these entries; return its path."""
    log = {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": list(entries)}
    path.write_text(json.dumps({"log": log}), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a plan in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tracking-plan.toml").write_text(PLAN, encoding="utf-8")
    return tmp_path


@pytest.fixture
def clickport(folder: Path) -> Callable[..., Result]:
    """Return a function that runs the command in the folder."""

    def run(*words: str | Path) -> Result:
        assert Path.cwd() == folder
        arguments: Sequence[str] = [str(word) for word in words]
        return CliRunner().invoke(main, arguments)

    return run
