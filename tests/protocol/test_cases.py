"""The catalogue of cases, and the patterns that choose among them."""

from collections.abc import Sequence

import pytest

from conformance.protocol.cases import UnknownSelector, catalogue, select
from conformance.protocol.requirements import Lane

ALL = tuple(Lane)


def chosen(*only: str, lanes: Sequence[Lane] = ALL, skip: Sequence[str] = ()) -> list[str]:
    """The ids of the cases that patterns choose."""
    return [case.id for case in select(lanes=lanes, only=only, skip=skip)[0]]


def test_ids_are_unique() -> None:
    """No two cases share an id."""
    ids = [case.id for case in catalogue()]
    assert sorted(set(ids)) == sorted(ids)


def test_ids_begin_with_their_lane() -> None:
    """An id says where its case runs."""
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
    """A case is chosen by its id or a glob over it, with or without its lane, whatever its case."""
    assert sorted(chosen(pattern)) == sorted(expected)


@pytest.mark.parametrize("pattern", ["WIRE-1", "wire-1", "Wire-1", "[w]ire-1"])
def test_requirement_ids_choose_their_cases(pattern: str) -> None:
    """A requirement's id stands for all of its cases, and for no other's that begins alike."""
    expected = [case.id for case in catalogue() if case.requirement == "WIRE-1"]
    assert (bool(expected), chosen(pattern)) == (True, expected)


def test_a_glob_over_requirements() -> None:
    """A family is chosen by a glob over its ids."""
    expected = [case.id for case in catalogue() if case.requirement.startswith("REV-")]
    assert chosen("rev-*") == expected


def test_patterns_add_up_and_skip_wins() -> None:
    """Several patterns choose what any of them names; what ``skip`` names is left out all the same."""
    found = chosen("API-1", "prop-2-31-*", lanes=[Lane.TRACKER], skip=["api-1"])
    assert found == ["tracker/prop-2-31-properties"]


def test_every_case_of_the_lanes_is_chosen_or_deselected() -> None:
    """What is not chosen is among the deselected, so that it can be recorded as not run."""
    picked, left = select(lanes=[Lane.TRACKER], only=["PROP-*"], skip=["prop-2"])
    both = [case.id for case in (*picked, *left)]
    assert sorted(both) == sorted(case.id for case in catalogue() if case.lane is Lane.TRACKER)


def test_lanes_may_be_any_iterable() -> None:
    """Lanes that can be gone through only once choose what a list of them does."""
    once = select(lanes=iter([Lane.TRACKER]))[0]
    assert len(once) == len([case for case in catalogue() if case.lane is Lane.TRACKER])


def test_a_known_id_of_another_lane_is_no_error() -> None:
    """A pattern that only other lanes bear chooses nothing; it is no slip of the pen."""
    assert chosen("server/wire-6-*", lanes=[Lane.TRACKER]) == []


def test_a_requirement_without_cases_is_known() -> None:
    """A requirement that is excluded everywhere can be named."""
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
    """A slip is refused with the id that was meant, whatever the case it was typed in."""
    with pytest.raises(UnknownSelector, match="did you mean ") as caught:
        chosen(pattern)
    assert right in str(caught.value).replace("?", "").split()


def test_an_unknown_skip_is_refused_too() -> None:
    """A pattern of ``skip`` that matches nothing is a slip like any other."""
    with pytest.raises(UnknownSelector, match="'prop-2-31-propertis' matches no case and no requirement"):
        select(lanes=ALL, skip=["prop-2-31-propertis"])


def test_an_outlandish_pattern_gets_the_way_out() -> None:
    """Where nothing is near, the message says where all ids are listed."""
    with pytest.raises(UnknownSelector) as caught:
        chosen("zzz")
    expected = "'zzz' matches no case and no requirement: `clickport list` shows every id"
    assert str(caught.value) == expected


def test_shards_are_disjoint_and_whole() -> None:
    """Each case is in one of four parts, none is empty, and a lane's search stays together."""
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
    """Which part a case is in does not depend on what else was selected."""
    whole = {case.id for case in select(lanes=ALL, part=(2, 3))[0]}
    some = [case.id for case in select(lanes=ALL, only=["PROP-*"], part=(2, 3))[0]]
    assert some == [id_ for id_ in chosen("PROP-*") if id_ in whole]
