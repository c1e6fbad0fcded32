"""The catalogue of cases, and their selection by patterns."""

from collections.abc import Sequence

import pytest

from conformance.protocol.cases import UnknownSelector, catalogue, select
from conformance.protocol.requirements import Lane

ALL = tuple(Lane)


def chosen(*only: str, lanes: Sequence[Lane] = ALL, skip: Sequence[str] = ()) -> list[str]:
    """Return the ids of the cases that the patterns select."""
    return [case.id for case in select(lanes=lanes, only=only, skip=skip)[0]]


def test_ids_are_unique() -> None:
    """No two cases have the same id."""
    ids = [case.id for case in catalogue()]
    assert sorted(set(ids)) == sorted(ids)


def test_ids_begin_with_their_lane() -> None:
    """The id of a case begins with its lane."""
    assert [case.id for case in catalogue() if case.id.partition("/")[0] != case.lane] == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("tracker/prop-2-31-properties", ["tracker/prop-2-31-properties"]),
        ("TRACKER/Prop-2-31-Properties", ["tracker/prop-2-31-properties"]),
        ("prop-2-31-properties", [f"{lane}/prop-2-31-properties" for lane in ("tracker", "pair", "server")]),
        ("pair/prop-2-3?-properties", ["pair/prop-2-30-properties", "pair/prop-2-31-properties"]),
        ("[ps]*/prop-2-31-*", ["pair/prop-2-31-properties", "server/prop-2-31-properties"]),
    ],
)
def test_patterns_of_cases(pattern: str, expected: list[str]) -> None:
    """A case is selected by its id or a glob over it, with or without the lane, case-insensitively."""
    assert sorted(chosen(pattern)) == sorted(expected)


@pytest.mark.parametrize("pattern", ["WIRE-1", "wire-1", "Wire-1", "[w]ire-1"])
def test_requirement_ids_choose_their_cases(pattern: str) -> None:
    """The id of a requirement selects its cases, but none of a requirement whose id it is a prefix of."""
    expected = [case.id for case in catalogue() if case.requirement == "WIRE-1"]
    assert (bool(expected), chosen(pattern)) == (True, expected)


def test_a_glob_over_requirements() -> None:
    """A glob over requirement ids selects a family."""
    expected = [case.id for case in catalogue() if case.requirement.startswith("REV-")]
    assert chosen("rev-*") == expected


def test_patterns_add_up_and_skip_wins() -> None:
    """Several patterns select the union of their matches; ``skip`` takes precedence over ``only``."""
    found = chosen("API-1", "prop-2-31-*", lanes=[Lane.TRACKER], skip=["api-1"])
    assert found == ["tracker/prop-2-31-properties"]


def test_every_case_of_the_lanes_is_chosen_or_deselected() -> None:
    """Cases that are not selected are returned as deselected, so that they are recorded as not run."""
    picked, left = select(lanes=[Lane.TRACKER], only=["PROP-*"], skip=["prop-2"])
    both = [case.id for case in (*picked, *left)]
    assert sorted(both) == sorted(case.id for case in catalogue() if case.lane is Lane.TRACKER)


def test_lanes_may_be_any_iterable() -> None:
    """Lanes may be an iterator, which can be consumed only once."""
    once = select(lanes=iter([Lane.TRACKER]))[0]
    assert len(once) == len([case for case in catalogue() if case.lane is Lane.TRACKER])


def test_a_known_id_of_another_lane_is_no_error() -> None:
    """A pattern that matches only cases of other lanes selects nothing and is not an error."""
    assert chosen("server/wire-6-*", lanes=[Lane.TRACKER]) == []


def test_a_requirement_without_cases_is_known() -> None:
    """A requirement that is excluded in all its lanes is a valid pattern."""
    assert chosen("LINT-4") == []


@pytest.mark.parametrize(
    ("pattern", "right"),
    [
        ("tracker/prop-2-31-propertis", "tracker/prop-2-31-properties"),
        ("prop-2-31-propertis", "prop-2-31-properties"),
        ("PROP-22", "PROP-2"),
        ("WIRE_5", "WIRE-5"),
        ("prop_2", "PROP-2"),
        ("propp-2", "PROP-2"),
        ("TRACKER/PROP-2-31-PROPERTIS", "tracker/prop-2-31-properties"),
    ],
)
def test_an_unknown_pattern_suggests_the_right_one(pattern: str, right: str) -> None:
    """An unknown pattern is refused with the id that was probably meant, in upper or lower case."""
    with pytest.raises(UnknownSelector, match="did you mean ") as caught:
        chosen(pattern)
    assert right in str(caught.value).replace("?", "").split()


def test_an_unknown_skip_is_refused_too() -> None:
    """A pattern of ``skip`` that matches nothing is refused as well."""
    with pytest.raises(UnknownSelector, match="'prop-2-31-propertis' matches no case and no requirement"):
        select(lanes=ALL, skip=["prop-2-31-propertis"])


def test_an_outlandish_pattern_gets_the_way_out() -> None:
    """If no id is similar, the message names the command that lists all ids."""
    with pytest.raises(UnknownSelector) as caught:
        chosen("zzz")
    expected = "'zzz' matches no case and no requirement: `clickport list` shows every id"
    assert str(caught.value) == expected


def test_shards_are_disjoint_and_whole() -> None:
    """Each case is in one of four parts, no part is empty, and the properties of a lane stay together."""
    parts = [select(lanes=ALL, part=(number, 4))[0] for number in range(1, 5)]
    ids = [case.id for part in parts for case in part]
    assert (len(ids), set(ids)) == (len(set(ids)), {case.id for case in select(lanes=ALL)[0]})
    assert all(parts)
    searches = {lane: [any(c.drawn and c.lane is lane for c in part) for part in parts] for lane in ALL}
    assert {lane: sum(found) for lane, found in searches.items() if any(found)} == {
        Lane.TRACKER: 1,
        Lane.SERVER: 1,
        Lane.PAIR: 1,
    }


def test_a_shard_of_a_selection_is_the_shard() -> None:
    """The part of a case does not depend on the other selectors."""
    whole = {case.id for case in select(lanes=ALL, part=(2, 3))[0]}
    some = [case.id for case in select(lanes=ALL, only=["PROP-*"], part=(2, 3))[0]]
    assert some == [id_ for id_ in chosen("PROP-*") if id_ in whole]
