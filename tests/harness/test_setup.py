"""The run context: passed unchanged to workers, and a token for each case."""

import json
import re
from pathlib import Path

import pytest

from conformance.browsers import Installed
from conformance.harness.options import Options
from conformance.harness.run_context import RunContext
from conformance.paths import bundled
from conformance.targets import Server

SERVER = Server(
    url="http://127.0.0.1:8000/",
    name="./s",
    port=8000,
    clickhouse="http://u:p@h:1/d",
    envelope={"d": "example.com"},
)
FULL = RunContext(
    options=Options(
        tracker="t.js", server_cmd="./s {port}", only=("PROP-*", "REV-1"), lane=("pair",), strict=True
    ),
    run="cp0123abcd",
    since="2026-11-24T10:00:00Z",
    server=SERVER,
    browsers=(Installed(name="chromium", version="151.0", path="/usr/bin/chromium"),),
)
BARE = RunContext(options=Options(), run="cp0123abcd", since="2026-11-24T10:00:00Z")


@pytest.mark.parametrize("setup", [FULL, BARE], ids=["full", "bare"])
def test_a_worker_gets_the_same_setup(setup: RunContext) -> None:
    """A run context is equal after conversion to JSON and back, including tuples."""
    assert RunContext.from_json(json.loads(json.dumps(setup.to_json()))) == setup


def test_a_token_is_text_that_survives_everything() -> None:
    """A token begins with the token of its run, and has only lower-case letters and digits."""
    tokens = [
        FULL.token(id_, browser) for id_ in ("tracker/api-1-x", "É/😀", "") for browser in ("chromium", None)
    ]
    assert [t for t in tokens if not re.fullmatch(r"cp0123abcd[0-9a-f]{8}e", t)] == []


def test_tokens_tell_cases_and_browsers_apart() -> None:
    """Each case has its own token in each browser."""
    tokens = {
        FULL.token(f"tracker/x-{i}", browser)
        for i in range(1000)
        for browser in ("chromium", "firefox", None)
    }
    assert len(tokens) == 3000


def test_a_token_is_the_same_in_every_process() -> None:
    """A token depends only on the run, the case and the browser."""
    assert FULL.token("tracker/api-1-x", "chromium") == "cp0123abcd56466e96e"


def test_the_users_envelope_wins() -> None:
    """Envelope fields of the options replace those of the server."""
    own = RunContext(
        options=Options(envelope='{"site": 1}', server_cmd="./s {port}"), run="r", since="s", server=SERVER
    )
    assert (own.envelope, FULL.envelope, BARE.envelope) == ({"site": 1}, {"d": "example.com"}, {})


def test_bundled_finds_the_source_tree() -> None:
    """Without installation, data is found next to the package."""
    assert (
        bundled("fixtures/requirements.toml") == Path(__file__).parents[2] / "fixtures" / "requirements.toml"
    )


def test_a_missing_bundle_is_named() -> None:
    """The message for missing data names both places that were searched."""
    with pytest.raises(FileNotFoundError) as caught:
        bundled("fixtures/nothing.toml")
    message = str(caught.value)
    assert (
        message.startswith("fixtures/nothing.toml is missing"),
        message.count("/fixtures/nothing.toml"),
    ) == (True, 2)
