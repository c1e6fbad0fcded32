"""Strict reading of request bodies and of stored rows."""

import json
from decimal import Decimal
from typing import Any

import pytest

from conformance.protocol.outcomes import TargetUnavailable, Violation
from conformance.protocol.payload import read_payload
from conformance.readback.rows import StoredRow, parse_lines

RUN = "cp0123abcd"
LINE: dict[str, Any] = {
    "type": "custom",
    "name": f"Purchase {RUN}",
    "meta_keys": ["plan"],
    "meta_values": ["pro"],
    "revenue_source_amount": "49.99",
    "revenue_source_currency": "EUR",
}


def test_numbers_are_read_as_written() -> None:
    """Amounts become exact decimals, even if a double cannot represent them (REV-1)."""
    body = b'{"ra": 49.990000000000001, "big": 9007199254740993, "exp": 1e400, "n": ["0.10", true, null]}'
    assert read_payload(body) == {
        "ra": Decimal("49.990000000000001"),
        "big": Decimal("9007199254740993"),
        "exp": Decimal("1e400"),
        "n": ["0.10", True, None],
    }


def test_no_number_becomes_a_double() -> None:
    """Whole numbers are decimals too, so that none is compared as a double (REV-1)."""
    assert {type(value) for value in read_payload(b'{"a": 25, "b": 25.0, "c": -0}').values()} == {Decimal}


def test_text_is_read_whatever_it_says() -> None:
    """Escapes, NUL and lone surrogates are kept for the checks to judge (WIRE-2, PROP-6)."""
    assert read_payload('{"n": "\\ud83c \\u0000 é😀"}'.encode()) == {"n": "\ud83c \0 é😀"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"ra": NaN}', "not JSON: NaN is not a JSON number"),
        (b'{"ra": Infinity}', "not JSON: Infinity is not a JSON number"),
        (b'{"ra": -Infinity}', "not JSON: -Infinity is not a JSON number"),
        (b'{"n": "a", "n": "b"}', "the key 'n' occurs twice"),
        (b'{"n": "a", "p": {"x": 1, "y": 2, "y": 2}}', "the key 'y' occurs twice"),
        (b'{"n": "\xe9"}', "not UTF-8"),
        (b'{"n": "\xed\xa0\xbc"}', "not UTF-8"),
        (b'[{"n": "a"}]', 'not an object: it begins \'[{"n": "a"}]\''),
        (b'"n"', "not an object"),
        (b"null", "not an object"),
        (b"", "not JSON"),
        (b'{"n": "a"', "not JSON"),
        (b'{"n": "a"}{"n": "a"}', "not JSON"),
        (b"{'n': 'a'}", "it begins \"{'n': 'a'}\""),
        (b"t=e&n=Signup", "it begins 't=e&n=Signup'"),
        (b'{"ra": 1e99999999999999999999}', "the request body is"),
    ],
    ids=range(16),
)
def test_what_is_no_object_is_a_violation(body: bytes, message: str) -> None:
    """A body that is not one JSON object is a violation, and the message shows its beginning (WIRE-2)."""
    with pytest.raises(Violation) as caught:
        read_payload(body)
    assert message in str(caught.value)


def test_a_long_body_is_shown_in_part() -> None:
    """The message shows only the beginning of a long body."""
    with pytest.raises(Violation) as caught:
        read_payload(b"[" + b"1," * 100_000 + b"1]")
    assert len(str(caught.value)) < 250


def parsed(*lines: dict[str, Any]) -> list[StoredRow]:
    """Return the rows parsed from lines."""
    return parse_lines("\n".join(json.dumps(line) for line in lines), "rows.sh")


def row(**changes: Any) -> StoredRow:
    """Return the row of LINE with changes."""
    facts: dict[str, Any] = {
        "type": "custom",
        "name": "Purchase cp0123abcd",
        "meta_keys": ("plan",),
        "meta_values": ("pro",),
        "revenue_source_amount": Decimal("49.99"),
        "revenue_source_currency": "EUR",
    }
    return StoredRow(**{**facts, **changes})


def test_a_line_is_a_row() -> None:
    """Each line becomes a row, in order; blank lines, a trailing CR and other keys are ignored."""
    text = f"{json.dumps({**LINE, 'site': 1})}\r\n\n  \n{json.dumps({**LINE, 'type': 'pageview'})}\n"
    assert parse_lines(text, "rows.sh") == [row(), row(type="pageview")]


def test_separators_inside_a_text_end_no_line() -> None:
    """Only LF ends a line: a value may contain other line separators of Unicode."""
    text = json.dumps({**LINE, "meta_values": ["a\u2028b\x85c"]}, ensure_ascii=False)
    assert parse_lines(text, "rows.sh") == [row(meta_values=("a\u2028b\x85c",))]


def test_links_are_read_if_present() -> None:
    """Session and page visit are text, or None if the readback does not include them (STORE-4)."""
    assert parsed({**LINE, "session_id": 17, "pageview_id": "v1"}, {**LINE, "session_id": None}) == [
        row(session_id="17", pageview_id="v1"),
        row(),
    ]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ('"49.99"', Decimal("49.99")),
        ("49.99", Decimal("49.99")),
        ("49.9900", Decimal("49.9900")),
        ("25", Decimal(25)),
        ("1234567890123.45", Decimal("1234567890123.45")),
        ('"1e3"', Decimal(1000)),
        ("null", None),
        ('"$49.99"', "$49.99"),
        ('""', None),
        (r'"\u0000\u0000"', None),
        ("true", "True"),
    ],
)
def test_amounts_are_decimals(written: str, amount: Decimal | str | None) -> None:
    """An amount is exact, written as text or as a number; anything else stays text (REV-1)."""
    text = json.dumps({**LINE, "revenue_source_amount": 0}).replace(
        '"revenue_source_amount": 0', f'"revenue_source_amount": {written}'
    )
    assert parse_lines(text, "rows.sh") == [row(revenue_source_amount=amount)]


@pytest.mark.parametrize(
    ("written", "currency"),
    [(r'"\u0000\u0000\u0000"', ""), (r'"EUR\u0000\u0000"', "EUR"), ('""', ""), ("null", None)],
)
def test_a_fixed_string_is_filled_up(written: str, currency: str | None) -> None:
    """The NULs that pad a FixedString of ClickHouse are removed (REV-4)."""
    text = json.dumps({**LINE, "revenue_source_currency": 0}).replace(
        '"revenue_source_currency": 0', f'"revenue_source_currency": {written}'
    )
    assert parse_lines(text, "rows.sh") == [row(revenue_source_currency=currency)]


@pytest.mark.parametrize("members", [[None], ["a", None, 5], [["a"]]])
def test_odd_members_are_kept(members: list[Any]) -> None:
    """List members that are not text are kept for the checks to judge."""
    assert parsed({**LINE, "meta_values": members}) == [row(meta_values=tuple(members))]


@pytest.mark.parametrize("column", list(LINE))
def test_a_missing_column_is_named(column: str) -> None:
    """The message names source, line and missing column."""
    lacking = {key: value for key, value in LINE.items() if key != column}
    with pytest.raises(TargetUnavailable) as caught:
        parsed(LINE, lacking)
    assert str(caught.value) == (
        f"rows.sh, line 2, is not a stored row: lacks '{column}'. Expected one JSON object per line with "
        "type, name, meta_keys, meta_values, revenue_source_amount, revenue_source_currency"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"Error: no table {RUN}",
        f'["{RUN}"]',
        f'"{RUN}"',
        f'{{"name": "{RUN}"',
        json.dumps({**LINE, "meta_keys": "plan"}),
        json.dumps({**LINE, "meta_values": None}),
        json.dumps(LINE).replace('"49.99"', "1e99999999999999999999"),
    ],
    ids=["text", "array", "string", "torn", "keys", "values", "huge"],
)
def test_a_line_that_is_no_event_is_named(text: str) -> None:
    """Any other line is a target that could not be run; the message names the line."""
    with pytest.raises(TargetUnavailable, match=r"^rows\.sh, line 2, is not a stored row: "):
        parse_lines(f"\n{text}\n", "rows.sh")


@pytest.mark.parametrize(
    ("stored", "carried"),
    [
        (row(), True),
        (row(name=f"PURCHASE {RUN.upper()}"), True),
        (row(name="Purchase", meta_values=("a", f"<{RUN}>")), True),
        (row(name="Purchase", meta_values=(None, 5, RUN)), True),
        (row(name=None, meta_values=(None,)), False),
        (row(name="Purchase", meta_keys=(RUN,)), False),
        (row(name=RUN[:-1]), False),
    ],
    ids=range(7),
)
def test_carries(stored: StoredRow, *, carried: bool) -> None:
    """A row contains a token in its name or a value, in any case; values of other types are ignored."""
    assert stored.carries(RUN) is carried


def test_columns_are_plain_data() -> None:
    """A row is converted to the documented columns, with lists as lists."""
    assert row(session_id="s").columns() == {
        "type": "custom",
        "name": "Purchase cp0123abcd",
        "meta_keys": ["plan"],
        "meta_values": ["pro"],
        "revenue_source_amount": Decimal("49.99"),
        "revenue_source_currency": "EUR",
        "session_id": "s",
        "pageview_id": None,
    }
