"""What is handed to the workers of a run: the same plain data on both sides, and a token for each case."""

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
    """Through JSON and back a setup is what it was, tuples and all."""
    assert RunContext.from_json(json.loads(json.dumps(setup.to_json()))) == setup


def test_a_token_is_text_that_survives_everything() -> None:
    """A token begins with that of its run, and is lower-case letters and digits, whatever the id."""
    tokens = [
        FULL.token(id_, browser) for id_ in ("tracker/api-1-x", "É/😀", "") for browser in ("chromium", None)
    ]
    assert [t for t in tokens if not re.fullmatch(r"cp0123abcd[0-9a-f]{8}e", t)] == []


def test_tokens_tell_cases_and_browsers_apart() -> None:
    """Each case has a token of its own in each browser."""
    tokens = {
        FULL.token(f"tracker/x-{i}", browser)
        for i in range(1000)
        for browser in ("chromium", "firefox", None)
    }
    assert len(tokens) == 3000


def test_a_token_is_the_same_in_every_process() -> None:
    """A token depends on the run, the case and the browser, and on nothing else."""
    assert FULL.token("tracker/api-1-x", "chromium") == "cp0123abcd56466e96e"


def test_the_users_envelope_wins() -> None:
    """Fields given by option stand for those that the server is known to demand."""
    own = RunContext(
        options=Options(envelope='{"site": 1}', server_cmd="./s {port}"), run="r", since="s", server=SERVER
    )
    assert (own.envelope, FULL.envelope, BARE.envelope) == ({"site": 1}, {"d": "example.com"}, {})


def test_bundled_finds_the_source_tree() -> None:
    """Data is found beside the package where it was not installed."""
    assert (
        bundled("fixtures/requirements.toml") == Path(__file__).parents[2] / "fixtures" / "requirements.toml"
    )


def test_a_missing_bundle_is_named() -> None:
    """What an installation lacks is named, with both places where it could have been."""
    with pytest.raises(FileNotFoundError) as caught:
        bundled("fixtures/nothing.toml")
    message = str(caught.value)
    assert (
        message.startswith("fixtures/nothing.toml is missing"),
        message.count("/fixtures/nothing.toml"),
    ) == (True, 2)
