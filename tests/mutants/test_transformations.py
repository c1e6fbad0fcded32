"""The table of transformations: each row has vectors, and implementations that must be detected."""

import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.mutants.implementations import ImplementationKind, runs, subjects
from conformance.mutants.transforming.transformations import TRANSFORMATIONS
from conformance.protocol.cases import catalogue
from conformance.protocol.matching import expand
from conformance.protocol.requirements import Lane

ROOT = Path(__file__).parents[2]
TABLE = tomllib.loads((ROOT / "fixtures" / "transformations.toml").read_text(encoding="utf-8"))
LANES = (Lane.TRACKER, Lane.SERVER, Lane.PAIR)
ROW = {
    "type": "object",
    "required": ["what", "why", "texts"],
    "additionalProperties": False,
    "properties": {
        "what": {"type": "string", "minLength": 15},
        "why": {"type": "string", "minLength": 40},
        "texts": {"type": "array", "maxItems": 30},
        "names": {"type": "array", "items": {"not": {"const": ""}}},
        "keys": {"type": "array", "maxItems": 30, "uniqueItems": True},
        "refusable": {"const": True},
        "currencies": {"type": "array", "items": {"pattern": "^[A-Z]{3}$"}},
    },
}
# JavaScript lists these keys before all others, wherever they are written.
ARRAY_INDEX = re.compile("0|[1-9][0-9]{0,9}")


def generator() -> ModuleType:
    """Return tools/vectors.py as a module."""
    spec = importlib.util.spec_from_file_location("vectors", ROOT / "tools" / "vectors.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def samples(row: dict[str, Any]) -> Iterator[str]:
    """Yield every text of a row, including the names made of its values."""
    for place in ("texts", "keys", "names", "currencies"):
        yield from (expand(text, "") for text in row.get(place, []))
    if "names" not in row:
        yield " | ".join(row["texts"])


def test_rows_have_their_members() -> None:
    """Each row of the table has exactly the members that it needs."""
    validator = Draft202012Validator(ROW)
    assert [f"{id_}: {e.message}" for id_, row in TABLE.items() for e in validator.iter_errors(row)] == []


@pytest.mark.parametrize("folder", ["track", "ingest"])
def test_vectors_are_those_of_the_table(folder: str) -> None:
    """fixtures/vectors/*/verbatim.json are equal to the output of `make vectors`."""
    script = generator()
    assert script.place(folder).read_text(encoding="utf-8") == script.render(folder)


@pytest.mark.parametrize("lane", LANES)
def test_every_row_has_cases_for_each_place_in_each_lane(lane: Lane) -> None:
    """In each lane there are cases for names, keys and values, except for places that the table omits."""
    places: dict[str, Callable[[dict[str, Any]], Any]] = {
        "value": lambda row: row["texts"],
        "key": lambda row: row.get("keys", row["texts"]),
        "name": lambda row: row.get("names", row["texts"]),
        "currency": lambda row: row.get("currencies"),
    }
    expected = {f"{id_}-{place}" for id_, row in TABLE.items() for place, of in places.items() if of(row)}
    ids = [case.id for case in catalogue() if case.lane is lane and "-verbatim-" in case.id]
    assert {re.sub(r"-\d+$", "", id_.partition("-verbatim-")[2]) for id_ in ids} == expected


def test_keys_are_no_open_matter() -> None:
    """No key of the table is blank (PROP-8), or an array index, which JavaScript would list first."""
    keys = [(id_, expand(k, "")) for id_, row in TABLE.items() for k in row.get("keys", row["texts"])]
    assert [(id_, key) for id_, key in keys if not key.strip() or ARRAY_INDEX.fullmatch(key)] == []


def test_values_are_within_the_limit() -> None:
    """No value of the table exceeds the limit, in any unit (PROP-3, PROP-6)."""
    values = [(id_, expand(text, "")) for id_, row in TABLE.items() for text in row["texts"]]
    assert [id_ for id_, value in values if len(value.encode("utf-16-le")) > 2 * 2000] == []


@pytest.mark.parametrize("id_", TABLE)
def test_the_transformation_changes_each_text(id_: str) -> None:
    """The transformation of a row changes each of its texts, as other texts would prove nothing."""
    assert [text for text in samples(TABLE[id_]) if text and TRANSFORMATIONS[id_](text) == text] == []


def test_both_implementations_make_every_row() -> None:
    """The transforming server and tracker implement exactly the rows of the table."""
    source = (ROOT / "conformance/mutants/transforming/tracker.js").read_text(encoding="utf-8")
    members = source.partition("const TRANSFORMATIONS = {")[2].partition("\n  };")[0]
    assert list(TRANSFORMATIONS) == list(TABLE)
    assert re.findall(r"^    '?([a-z0-9-]+)'?[:,]", members, re.MULTILINE) == list(TABLE)


def test_every_case_of_the_table_has_its_mutants() -> None:
    """Each case must fail for a transforming tracker, for a transforming server, or for both."""
    tried = {cell for subject in subjects() if subject.rows for cell in subject.cells}
    assert tried == {case.id for case in catalogue() if "-verbatim-" in case.id}
    named = {subject.name for subject in subjects() if subject.rows}
    assert named == {f"{part}-transforms-{id_}" for part in ("tracker", "server") for id_ in TABLE}


def test_rows_share_a_run() -> None:
    """All rows of a tracker share a run, and all rows of a server another; any other mutant runs alone."""
    planned = runs(subjects())
    assert {run.name: len(own) for run, own in planned.items() if run.rows} == {
        "transforming-tracker": len(TABLE),
        "transforming-server": len(TABLE),
    }
    assert [own for run, own in planned.items() if not run.rows and own != [run]] == []
    assert sorted(s.name for own in planned.values() for s in own) == sorted(s.name for s in subjects())
    assert {run.kind for run in planned if run.rows} == {ImplementationKind.MUTANT}
