"""Normalisation of payloads, by examples and by properties that hold for any payload."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from reference_server.event import AMOUNT_LIMIT, KEY_BYTES, NAME_BYTES, Event
from reference_server.ingest.normalise import Rejected, normalise

EMOJI = "😀"


def event(**members: Any) -> Event:
    """Return the event of a payload with a type, a name and these members."""
    return normalise({"t": "e", "n": "Signup", **members})


def told(event: Event) -> tuple[str, ...]:
    """Return the texts of the notes on an event."""
    return tuple(note.text for note in event.notes)


def properties(keys: Any, values: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys and values that are kept of mk and mv."""
    kept = event(mk=keys, mv=values)
    return kept.meta_keys, kept.meta_values


def revenue(**members: Any) -> tuple[Decimal | None, str]:
    """Return amount and currency that are kept of ra and rc."""
    kept = event(**members)
    return kept.amount, kept.currency


def test_a_name_is_enough() -> None:
    """STORE-1, REV-4: the smallest event has only a type and a name."""
    assert normalise({"t": "e", "n": "Signup"}) == Event(type="custom", name="Signup")


def test_a_pageview_needs_no_name() -> None:
    """t "p" is a pageview, which has no revenue."""
    assert normalise({"t": "p", "p": "v1", "ra": 5}) == Event(type="pageview", pageview="v1")


@pytest.mark.parametrize("name", [" ", "  Purchase ", "PURCHASE", "e\u0301", "\u00e9", "购买", "a\0b", "0"])
def test_names_stay_as_they_are(name: str) -> None:
    """STORE-1, DASH-4: names are not trimmed, case-folded or normalised."""
    assert event(n=name).name == name


@pytest.mark.parametrize("name", ["", None, 5, True, ["Signup"], {"n": "Signup"}])
def test_a_missing_name_is_rejected(name: Any) -> None:
    """WIRE-8: an event needs a non-empty string as its name."""
    with pytest.raises(Rejected, match="n must be the name of the event"):
        event(n=name)


@pytest.mark.parametrize("letter", ["E", "custom", "x", "", None, 1, ["e"], {}])
def test_an_unknown_type_is_rejected(letter: Any) -> None:
    """WIRE-8: an unknown t never becomes a custom event."""
    with pytest.raises(Rejected, match='t must be "e"'):
        event(t=letter)


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("", ""),
        ("text", "text"),
        (Decimal(42), "42"),
        (42, "42"),
        (Decimal("3.5"), "3.5"),
        (3.5, "3.5"),
        (Decimal("3.50"), "3.5"),
        (Decimal("-0.0"), "0"),
        (Decimal("0.1"), "0.1"),
        (Decimal("1e3"), "1000"),
        (Decimal("1e20"), "100000000000000000000"),
        (Decimal("1e21"), "1e+21"),
        (Decimal("1.5e300"), "1.5e+300"),
        (Decimal("0.000001"), "0.000001"),
        (Decimal("0.0000001"), "1e-7"),
        (Decimal("0.00000001"), "1e-8"),
        (Decimal("123456.789"), "123456.789"),
        (Decimal("-12.25"), "-12.25"),
        (Decimal("9007199254740993"), "9007199254740992"),
        (Decimal("1e400"), "Infinity"),
        pytest.param(-(10**5000), "-Infinity", id="huge integer"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ({"a": 1}, "[object Object]"),
        ([], ""),
        ([1, "b", None, True, [2, [3, []]], {}], "1,b,,true,2,3,,[object Object]"),
    ],
)
def test_values_become_strings(given_: Any, stored: str) -> None:
    """PROP-4, PROP-5: values become what JavaScript's String returns."""
    assert properties(["k"], [given_]) == (("k",), (stored,))


def test_keys_become_strings() -> None:
    """PROP-7: a key that is not a string is converted like a value."""
    assert properties([1, None, "k"], ["a", "b", "c"]) == (("1", "null", "k"), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("keys", "values", "kept"),
    [
        (["a", "b"], ["1"], (("a",), ("1",))),
        (["a"], ["1", "2"], (("a",), ("1",))),
        (["a", "a", "A"], ["1", "2", "3"], (("a", "a", "A"), ("1", "2", "3"))),
        ("ab", ["1", "2"], ((), ())),
        (["a"], {"0": "1"}, ((), ())),
        (["a"], None, ((), ())),
        (None, None, ((), ())),
        ([""], [" "], (("",), (" ",))),
        (["__proto__", "constructor"], ["x", "y"], (("__proto__", "constructor"), ("x", "y"))),
    ],
)
def test_arrays_that_do_not_fit_are_paired(keys: Any, values: Any, kept: Any) -> None:
    """PROP-7: pairs are formed in order up to the shorter array, duplicates included."""
    assert properties(keys, values) == kept


@pytest.mark.parametrize("count", [0, 1, 29, 30, 31, 300])
def test_the_first_thirty_properties_survive(count: int) -> None:
    """PROP-2: the first 30 in the order of the request are kept."""
    names = [f"k{number}" for number in range(count)]
    assert event(mk=names, mv=names).meta_keys == tuple(names[:30])


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("x" * 1999, "x" * 1999),
        ("x" * 2000, "x" * 2000),
        ("x" * 2001, "x" * 2000),
        ("文" * 2001, "文" * 2000),
        (EMOJI * 1000, EMOJI * 1000),
        (EMOJI * 1001, EMOJI * 1000),
        ("x" + EMOJI * 1000, "x" + EMOJI * 999),
        ("x" * 1999 + EMOJI, "x" * 1999),
        ("x" * 1998 + EMOJI + "y", "x" * 1998 + EMOJI),
        ([0] * 5000, "0," * 1000),
        ([None] * 5000, "," * 2000),
    ],
)
def test_values_are_cut_to_2000_code_units(value: Any, stored: str) -> None:
    """PROP-3, PROP-6: values keep 2,000 UTF-16 code units and never half a surrogate pair."""
    assert properties(["k"], [value]) == (("k",), (stored,))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ude00", EMOJI),
    ],
)
def test_lone_surrogates_are_replaced_everywhere(text: str, stored: str) -> None:
    """PROP-6: holds for names, keys, values and addresses; a complete pair is one character."""
    assert event(n=text, mk=[text], mv=[text], u=text, r=text, d=text) == Event(
        type="custom",
        name=stored,
        meta_keys=(stored,),
        meta_values=(stored,),
        url=stored,
        referrer=stored,
        domain=stored,
    )


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (Decimal("49.99"), "49.99"),
        (49.99, "49.99"),
        (25, "25"),
        (Decimal(0), "0"),
        (Decimal("-0.0"), "0"),
        (Decimal("0e99"), "0"),
        (Decimal("-19.90"), "-19.90"),
        (Decimal("9999999999999.99"), "9999999999999.99"),
        (Decimal("0.0001"), "0.0001"),
        (Decimal("1e15"), "1000000000000000"),
        (Decimal("0.30000000000000004"), "0.3"),
        (Decimal("0.1234567895"), "0.123456790"),
        (Decimal("99999999999999999999.999999999"), "99999999999999999999.999999999"),
        (Decimal("1e-999999"), "0"),
    ],
)
def test_amounts_are_exact(sent: Any, stored: str) -> None:
    """REV-1, REV-6: the decimal is kept as written, to nine decimal places."""
    assert revenue(ra=sent, rc="EUR") == (Decimal(stored), "EUR")


@pytest.mark.parametrize(
    "amount",
    [
        None,
        "49.99",
        "$49.99",
        True,
        [49.99],
        {"amount": 49.99},
        float("nan"),
        float("inf"),
        Decimal("1e400"),
        Decimal("1e999999999"),
        Decimal("1e20"),
        Decimal("-1e20"),
        Decimal("1e21"),
        Decimal("99999999999999999999.9999999999"),
        pytest.param(10**5000, id="huge integer"),
    ],
)
def test_what_is_no_amount_costs_only_the_revenue(amount: Any) -> None:
    """REV-7: the event is kept without amount and currency."""
    assert event(ra=amount, rc="EUR") == Event(type="custom", name="Signup")


@pytest.mark.parametrize(
    ("currency", "stored"), [("EUR", "EUR"), ("eur", "EUR"), ("Usd", "USD"), (None, "USD")]
)
def test_currencies(currency: Any, stored: str) -> None:
    """REV-2, REV-8: codes are stored in capitals; null counts as missing, which means USD."""
    assert revenue(ra=5, rc=currency) == (Decimal(5), stored)


def test_a_currency_left_out_is_usd() -> None:
    """REV-2: the documented default."""
    assert revenue(ra=5) == (Decimal(5), "USD")


@pytest.mark.parametrize("currency", ["", "€", "EURO", "EU", "E R", " EUR", "EUR\n", "ÄÖÜ", 978, ["EUR"], {}])
def test_a_malformed_currency_costs_only_the_revenue(currency: Any) -> None:
    """REV-8: the event is kept without its revenue."""
    assert event(ra=5, rc=currency) == Event(type="custom", name="Signup")


def test_a_currency_without_an_amount_is_nothing() -> None:
    """REV-4: without revenue both columns are empty."""
    assert revenue(rc="EUR") == (None, "")


@pytest.mark.parametrize("session", ["a b", "x" * 65, 5, ["a"], "ä", "a\n"])
def test_a_strange_session_is_ignored(session: Any) -> None:
    """STORE-4: only ids in the form of the tracker's are accepted."""
    assert event(s=session).session == ""


def test_ids_of_the_tracker_are_taken() -> None:
    """STORE-4: session and page visit are stored as sent."""
    kept = event(s="k3j9-x_Y.z~", p="01HZX")
    assert (kept.session, kept.pageview) == ("k3j9-x_Y.z~", "01HZX")


def test_notes_tell_what_was_changed() -> None:
    """LINT-5: everything that was dropped or changed is named."""
    kept = event(mk=["k"] * 32, mv=[1, "x" * 2001, *["v"] * 29], ra="5", s="a b")
    assert told(kept) == (
        "mk has 32 members and mv 31: the rest of the longer one dropped",
        "31 properties: the first 30 kept",
        "members of mv converted to strings: 1",
        "values cut to 2000 characters: 1",
        "ra is not a finite number of at most 20 digits before the point: revenue dropped",
        "s is not an identifier: ignored",
    )


@pytest.mark.parametrize(
    ("keys", "values", "notes"),
    [
        (["k"] * 30, ["v"] * 30, ()),
        (["k"] * 300, ["v"] * 300, ("300 properties: the first 30 kept",)),
        (["k"], ["v", "w"], ("mk has 1 members and mv 2: the rest of the longer one dropped",)),
        ("ab", None, ("mk is not an array: no properties",)),
    ],
)
def test_notes_only_where_they_are_due(keys: Any, values: Any, notes: tuple[str, ...]) -> None:
    """LINT-5: at the limits nothing is dropped, so there is no note."""
    assert told(event(mk=keys, mv=values)) == notes


def test_a_currency_that_was_left_out_is_noted() -> None:
    """REV-2: the default may not be what the sender meant."""
    assert told(event(ra=5)) == ("no rc: the currency is USD",)


def test_a_clean_event_has_no_notes() -> None:
    """Nothing was changed, so there is no note."""
    assert told(event(mk=["k"], mv=["v"], ra=5, rc="EUR", s="s1", p="p1")) == ()


# Surrogates are drawn often: they are 2,048 of a million characters.
texts = st.text(st.characters(exclude_categories=[]) | st.sampled_from("\ud800\udfff"), max_size=8)
long_texts = st.builds(lambda text, count: text * count, texts, st.sampled_from([1, 300, 2500]))
numbers = st.one_of(
    st.integers(), st.floats(), st.decimals(allow_nan=False, allow_infinity=False), st.booleans()
)
anything = st.recursive(
    st.one_of(st.none(), numbers, long_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
members = st.one_of(anything, st.lists(anything, max_size=40))
payloads = st.fixed_dictionaries(
    {"t": st.sampled_from(["e", "p"]), "n": texts.filter(bool)},
    optional=dict.fromkeys(("mk", "mv", "ra", "rc", "d", "u", "r", "s", "p", "extra"), members),
)


def accepted(payload: dict[str, Any]) -> Event:
    """Return the event of a drawn payload; one whose name or key is too long is not drawn."""
    try:
        return normalise(payload)
    except Rejected:
        reject()


def as_payload(event: Event) -> dict[str, Any]:
    """Return a payload from which ``normalise`` makes this event."""
    payload: dict[str, Any] = {
        "t": "p" if event.type == "pageview" else "e",
        "n": event.name,
        "mk": list(event.meta_keys),
        "mv": list(event.meta_values),
        "d": event.domain,
        "u": event.url,
        "r": event.referrer,
        "s": event.session,
        "p": event.pageview,
    }
    if event.amount is not None:
        payload |= {"ra": event.amount, "rc": event.currency}
    return payload


@given(payloads)
def test_normalising_twice_is_normalising_once(payload: dict[str, Any]) -> None:
    """Normalising the payload of an event gives the same event, without changes."""
    once = accepted(payload)
    twice = normalise(as_payload(once))
    assert (twice, twice.notes) == (once, ())


@given(payloads)
def test_every_event_is_within_the_limits(payload: dict[str, Any]) -> None:
    """PROP-2, PROP-3, PROP-6, REV-4, REV-7: holds for any payload."""
    kept = accepted(payload)
    texts = [kept.name, *kept.meta_keys, *kept.meta_values, kept.url, kept.referrer, kept.domain]
    assert len(kept.meta_keys) == len(kept.meta_values) <= 30
    assert all(len(value.encode("utf-16-le")) <= 4000 for value in kept.meta_values)
    assert not any("\ud800" <= character <= "\udfff" for text in texts for character in text)
    assert len(kept.name.encode()) <= NAME_BYTES
    assert all(len(key.encode()) <= KEY_BYTES for key in kept.meta_keys)
    assert (kept.amount is None) == (kept.currency == "")
    assert kept.amount is None or abs(kept.amount) < AMOUNT_LIMIT
