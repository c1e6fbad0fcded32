"""Secrets: found in options, replaced by variables in commands, hidden in everything that is written."""

import pytest

from conformance.results.redaction import Redaction, Secret, masked, secrets_in, shell_word


@pytest.mark.parametrize(
    ("option", "value", "secrets"),
    [
        ("clickhouse", "http://me:s3cr%40t@h:8123/db", [Secret("s3cr%40t", "CLICKPORT_CLICKHOUSE_PASSWORD")]),
        ("clickhouse", "http://me@h:8123/db", []),
        ("server", "https://tok3n@h", [Secret("tok3n", "CLICKPORT_SERVER_USER")]),
        (
            "readback_url",
            "http://h/rows?since=1&token=t0k&x=2",
            [Secret("t0k", "CLICKPORT_READBACK_URL_TOKEN")],
        ),
        ("readback_cmd", "env PGPASSWORD=pw123 psql", [Secret("pw123", "PGPASSWORD")]),
        (
            "readback_cmd",
            "rows --password pw123 {since}",
            [Secret("pw123", "CLICKPORT_READBACK_CMD_PASSWORD")],
        ),
        (
            "readback_cmd",
            "curl -H 'Authorization: Bearer abc.def'",
            [Secret("abc.def", "CLICKPORT_READBACK_CMD_BEARER")],
        ),
        ("envelope", '{"api_key": "k-123", "d": "x.org"}', [Secret("k-123", "CLICKPORT_ENVELOPE_API_KEY")]),
        ("readback_cmd", "rows --password $PGPASSWORD", []),
        ("server_cmd", "./ingest --port {port} --keys-in monkey=banana.txt", []),
        ("readback_cmd", "cat events.jsonl", []),
    ],
)
def test_secrets_are_found(option: str, value: str, secrets: list[Secret]) -> None:
    """Secrets are found in URLs, assignments, flags, headers and JSON; references to variables are not."""
    assert secrets_in(option, value) == secrets


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("clickhouse", "http://me:pw123@h:8123/db", "http://me@h:8123/db"),
        ("server", "http://me:pw123@h", 'http://me:"$CLICKPORT_SERVER_PASSWORD"@h'),
        ("readback_cmd", "env PGPASSWORD=pw123 psql", "'env PGPASSWORD='\"$PGPASSWORD\"' psql'"),
        ("table", "events", "events"),
    ],
)
def test_a_command_names_variables(option: str, value: str, word: str) -> None:
    """A printed command can be executed once its variables are set."""
    assert shell_word(option, value) == word


def test_every_spelling_is_hidden() -> None:
    """Every form is hidden: plain, decoded, JSON, HTML, basic Authorization; in keys of objects as well."""
    redaction = Redaction.of({"clickhouse": "http://me:p%22%26w%40x@h", "dashboard_key": "ck_42"})
    seen = {"a": ['p"&w@x', "p%22%26w%40x", 'p\\"&w@x', "p&quot;&amp;w@x", "bWU6cCImd0B4"], "ck_42": "ck_42."}
    assert redaction.data(seen) == {"a": ["***"] * 5, "***": "***."}


def test_the_environment_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLICKPORT_CLICKHOUSE_PASSWORD is a secret without any option."""
    monkeypatch.setenv("CLICKPORT_CLICKHOUSE_PASSWORD", "from-outside")
    assert Redaction.of({}).text("say from-outside") == "say ***"


@pytest.mark.parametrize(
    "text",
    [
        "http://me:hidden@h:8123",
        "clickhouse://me:hid/den@h",
        "me:hidden@h",
        "http:/me:hidden@h",
        "see http://hidden@h",
    ],
)
def test_a_mistyped_url_shows_no_password(text: str) -> None:
    """The password of a malformed URL is hidden, too."""
    assert "hidden" not in masked(text)
    assert "den@" not in masked(text)
    assert masked(text).endswith("@h") or masked(text).endswith("@h:8123")


@pytest.mark.parametrize("part", ["/", ":", "a:", "//@", "a" * 7])
def test_a_long_text_takes_no_longer_than_it_is(part: str) -> None:
    """A target cannot stop a run by the text that it sends: quadratic time would take hours here."""
    hidden = masked(part * (1_000_000 // len(part)) + " http://me:hidden@h")
    assert hidden.endswith(" http://***@h")
