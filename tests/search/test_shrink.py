"""Shrinking: independent of the seed, limited in time, and with a result that can be pasted."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from conformance.search import strategies
from conformance.search.bodies import Body
from conformance.search.budget import Budget
from conformance.search.calls import Call, Value, distinct
from conformance.search.shrink import smallest

MANY = tuple((f"k{n}", Value(kind="string", of=f"v{n}")) for n in range(28))


def text(of: str) -> Value:
    """Return a string value."""
    return Value(kind="string", of=of)


def keys(call: Call) -> int:
    """Return the number of properties of a call."""
    return len(call.properties) if isinstance(call.properties, tuple) else 0


def of_call(example: object) -> Call:
    """Return the example as a call."""
    assert isinstance(example, Call)
    return example


@pytest.mark.parametrize("surplus", [(), (("zz", Value(kind="getter")), ("a", text("😀" * 300)))])
@pytest.mark.parametrize("name", ["Signup {token}", "\ud83d購 {token} x"])
def test_no_more_properties_than_it_takes(name: str, surplus: tuple[tuple[str, Value], ...]) -> None:
    """If four properties are enough, four of 28 are left, whatever else the call contains."""
    call = Call(name=name, properties=(*MANY, *surplus), revenue=(("amount", text("$5")),))
    found = of_call(smallest(call, lambda example: keys(of_call(example)) >= 4))
    assert found.source("T") == "clickport.track('T', { x: '', a: '', b: '', c: '' })"


@pytest.mark.parametrize("long", ["é" * 4001, "ab" + "文" * 2000 + "yz", "x" * 1999 + "😀yz"])
def test_a_text_is_as_long_as_it_takes(long: str) -> None:
    """A text beyond a limit is shrunk to the limit, of one plain character, in few attempts."""
    tries = 0

    def breaks(example: object) -> bool:
        nonlocal tries
        tries += 1
        members = of_call(example).properties
        return isinstance(members, tuple) and any(len(str(value.of)) > 2000 for _, value in members)

    found = of_call(smallest(Call(name="{token}", properties=(*MANY, ("plan", text(long)))), breaks))
    assert found.source("T") == "clickport.track('T', { x: 'x'.repeat(2001) })"
    assert tries < 150


def test_a_body_loses_what_it_does_not_need() -> None:
    """Members, pairs and texts are removed; the place of the token stays."""
    body = Body(
        b'{"t": "e", "n": "Buy {token} now", "mk": ["a", "plan", "c"], "mv": ["1", "pro plan", "3"], "ra": 7}'
    )
    found = smallest(body, lambda example: b"ro p" in example.data and b"{token}" in example.data)  # type: ignore[union-attr]
    assert found == Body(b'{"n": "{token}", "mv": ["ro p"]}')


@pytest.mark.parametrize(
    "data", [b'{"t":"e","n":"{token}","n":"{token}"}', b"\xff{token}\x00\xfe", b'{"ra":NaN}']
)
def test_what_is_no_plain_json_shrinks_as_bytes(data: bytes) -> None:
    """A body with a fault in its bytes is shrunk by bytes and keeps the fault."""
    last = data[-1:]
    found = smallest(Body(data), lambda example: last in example.data)  # type: ignore[union-attr]
    assert (last in found.data, len(found.data) <= len(data)) == (True, True)  # type: ignore[union-attr]


@settings(deadline=None, max_examples=150)
@given(strategies.calls)
def test_no_key_overwrites_another(call: Call) -> None:
    """Each key occurs once in the object literal, so that the pasted call equals the drawn one."""
    if isinstance(call.properties, tuple):
        assert distinct(call.properties) == call.properties


def test_the_later_of_two_equal_keys_counts() -> None:
    """Of equal keys the first place and the last value count, as in JavaScript; halves form pairs."""
    twice = (("a", text("1")), ("\ud83d\udc00", text("2")), ("a", text("3")), ("\U0001f400", text("4")))
    assert distinct(twice) == (("a", text("3")), ("\U0001f400", text("4")))


def test_the_budget_ends_shrinking() -> None:
    """Without time left, shrinking ends with the smallest counterexample so far."""
    left = 3

    def breaks(example: object) -> bool | None:
        nonlocal left
        left -= 1
        return None if left < 0 else keys(of_call(example)) >= 4

    found = of_call(smallest(Call(name="{token}", properties=MANY), breaks))
    assert (left, 4 <= keys(found) <= 28) == (-1, True)


def test_searches_share_one_account(tmp_path: Path) -> None:
    """Each search gets an equal share of the remaining time, through a file shared by all processes."""
    ledger = tmp_path / "ledger"
    first = Budget(60, ledger=ledger, searches=3)
    assert first.left == pytest.approx(20)
    ledger.write_text(ledger.read_text("ascii") + "48.0\n", "ascii")
    assert first.left == pytest.approx(12)
    assert Budget(60, ledger=ledger, searches=3).left == pytest.approx(6)
    ledger.write_text(ledger.read_text("ascii") + "13.0\n", "ascii")
    assert first.left < 0


def test_what_is_spent_is_gone() -> None:
    """The time of an attempt is subtracted from the shared account."""
    budget = Budget(60)
    with budget.spent():
        pass
    assert 59 < budget.left < 60
