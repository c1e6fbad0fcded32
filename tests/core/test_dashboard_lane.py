"""What the dashboard lane makes of answers: nothing is taken for granted, and a difference is told."""

import pytest

from conformance.dashboard import Answer
from conformance.evidence import Violation
from conformance.lanes.showing import digits
from conformance.lanes.site import require_equal


def answer(text: str, status: int = 200) -> Answer:
    """An answer to a question about events."""
    return Answer(asked="GET /api/sites/a.example/events", status=status, text=text)


def test_columns_of_rows_are_read() -> None:
    """Rows of a list are read by their columns, whatever else is in them."""
    found = answer('{"events": [{"name": "Signup", "count": 3, "more": 1}], "total": 1}')
    assert found.rows("events", "name", "count") == [("Signup", 3)]


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("no", 500, "was answered 500: no"),
        ("<p>Hello", 200, "was answered with no JSON"),
        ("{}", 200, "no events in {}"),
        ("[]", 200, r"no events in \[\]"),
        ("", 202, "no events in null"),
        ('{"events": [{"name": "Signup"}]}', 200, 'no name, count in {"name": "Signup"}'),
        ('{"events": ["Signup"]}', 200, 'no name, count in "Signup"'),
    ],
)
def test_other_answers_are_violations(text: str, status: int, said: str) -> None:
    """An answer that is not as the contract has it is a violation that names the question."""
    with pytest.raises(Violation, match=said) as caught:
        answer(text, status).rows("events", "name", "count")
    assert str(caught.value).startswith("GET /api/sites/a.example/events")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("€60.50", "6050"),
        ("60,5 €", "6050"),
        ("1.234,50 €", "123450"),
        ("¥5,000", "5000"),
        ("5000.00 JPY", "5000"),
        ("ZZZ 7.00", "7"),
        ("7", "7"),
        ("", ""),
    ],
)
def test_amounts_in_any_form(text: str, number: str) -> None:
    """An amount is the same in every form that a page may write it in."""
    assert digits({"Purchase": {"EUR": text}}) == {"Purchase": {"EUR": number}}


def test_equal_is_fine() -> None:
    """What is equal raises nothing."""
    require_equal("events", [("a", 1)], [("a", 1)])


def test_a_difference_is_told() -> None:
    """A difference names both sides; of a long list it names the row."""
    with pytest.raises(Violation, match=r"^events: expected \[\('a', 1\)\], got \[\]$"):
        require_equal("events", [], [("a", 1)])
    names = [f"Event {number}" for number in range(20)]
    with pytest.raises(Violation, match=r"^events, row 20: expected 'Event 19', got 'nothing'$"):
        require_equal("events", names[:-1], names)
    with pytest.raises(Violation, match=r"^events, row 3: expected 'Event 2', got 'Event 3'$"):
        require_equal("events", [*names[:2], *names[3:]], names)
