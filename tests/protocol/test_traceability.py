"""Traceability from requirements to cases and checks, in both directions."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from conformance.load.checks import CHECKS
from conformance.protocol.cases import Case, catalogue
from conformance.protocol.requirements import Lane, Level, requirements

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"

# The ids, levels and lanes of the protocol's requirements, as its specification lists them.
TABLE = """
API-1   MUST   T      API-2   MUST   T P    API-3   MUST   T P    API-4   MUST   T P    API-5   SHOULD T
API-6   SHOULD T      API-7   SHOULD T      API-8   SHOULD T      API-9   MAY    T
PROP-1  MUST   T S P  PROP-2  MUST   T S P  PROP-3  MUST   T S P  PROP-4  MUST   T S P  PROP-5  MUST   T S P
PROP-6  SHOULD T S P  PROP-7  SHOULD S      PROP-8  MAY    T S
REV-1   MUST   T S P  REV-2   MUST   T S P  REV-3   MUST   T P    REV-4   MUST   T S P  REV-5   MUST   T S P
REV-6   SHOULD T S P  REV-7   SHOULD T S P  REV-8   SHOULD T S P  REV-9   SHOULD D
WIRE-1  MUST   T      WIRE-2  MUST   T      WIRE-3  MUST   T      WIRE-4  MUST   T      WIRE-5  SHOULD T
WIRE-6  MUST   S      WIRE-7  SHOULD S      WIRE-8  SHOULD S
DELIV-1 MUST   T      DELIV-2 MUST   T P    DELIV-3 SHOULD T P    DELIV-4 SHOULD T      DELIV-5 SHOULD T P
DELIV-6 SHOULD T P    DELIV-7 SHOULD T
STORE-1 MUST   S P    STORE-2 MUST   S P    STORE-3 MUST   S P    STORE-4 MUST   P      STORE-5 SHOULD S L
DASH-1  MUST   D      DASH-2  MUST   D      DASH-3  MUST   D P    DASH-4  MUST   S D
GOAL-1  MUST   D      GOAL-2  MUST   D      GOAL-3  MUST   D      GOAL-4  MUST   D      QUOTA-1 MUST   S D
LINT-1  MAY    S D    LINT-2  MAY    S D    LINT-3  MAY    S D    LINT-4  MAY    T S    LINT-5  MAY    T S
GOOD-1  SHOULD T      GOOD-2  SHOULD T      GOOD-3  SHOULD T      GOOD-4  SHOULD T      GOOD-5  SHOULD T
GOOD-6  SHOULD T      GOOD-7  SHOULD T      GOOD-8  SHOULD T      GOOD-9  SHOULD T      GOOD-10 SHOULD T
GOOD-11 SHOULD T      GOOD-12 MAY    T
"""
LANES = {"T": "tracker", "S": "server", "P": "pair", "D": "dashboard", "L": "load"}
LEVELS = ["MAY", "SHOULD", "MUST"]
# Families of which every MUST must be checked, in each of its lanes.
CHECKED = {"API", "PROP", "REV", "WIRE", "STORE", "DELIV", "DASH", "GOAL", "QUOTA"}


def table() -> Iterator[tuple[str, str, list[str]]]:
    """Return the rows of the table: id, level, lanes."""
    words = TABLE.split()
    starts = [i for i, word in enumerate(words) if "-" in word]
    for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
        yield words[start], words[start + 1], [LANES[letter] for letter in words[start + 2 : end]]


def cases_of(id_: str, lane: Lane) -> list[Case]:
    """Return the cases of a requirement in a lane."""
    return [case for case in catalogue() if case.requirement == id_ and case.lane is lane]


PLACES = [(row, lane) for row in requirements().values() for lane in row.lanes]


def test_registry_is_the_specification() -> None:
    """The registry has the ids, levels and lanes of the specification, in its order."""
    rows = [(row.id, str(row.level), [str(lane) for lane in row.lanes]) for row in requirements().values()]
    assert rows == list(table())


def test_every_requirement_has_cases_or_a_reason() -> None:
    """In each of its lanes a requirement has either cases or a reason for having none."""
    wrong = [
        (row.id, str(lane)) for row, lane in PLACES if bool(cases_of(row.id, lane)) == (lane in row.excluded)
    ]
    assert wrong == []


def test_reasons_are_given_for_lanes_of_the_requirement() -> None:
    """Reasons are not empty, and their lanes are lanes of the requirement."""
    rows = requirements().values()
    wrong = [r.id for r in rows if not set(r.excluded) <= set(r.lanes) or not all(r.excluded.values())]
    assert wrong == []


def test_every_must_is_checked() -> None:
    """Each MUST of the call, the wire, the row and the dashboard has cases in each of its lanes."""
    musts = [(r, lane) for r, lane in PLACES if r.level is Level.MUST and r.family in CHECKED]
    assert [(r.id, str(lane)) for r, lane in musts if not cases_of(r.id, lane)] == []


@pytest.mark.parametrize(
    ("lanes", "places"),
    [
        pytest.param({Lane.TRACKER}, ["tracker/tracker.js"], id="tracker"),
        pytest.param({Lane.SERVER, Lane.DASHBOARD}, ["**/*.py", "web/dashboard/static/*.js"], id="server"),
    ],
)
def test_the_reference_names_what_it_implements(lanes: set[Lane], places: list[str]) -> None:
    """A search for the id of a documented MUST or SHOULD finds the code of the reference that meets it."""
    folder = ROOT if lanes == {Lane.TRACKER} else ROOT / "reference_server"
    paths = {path for place in places for path in folder.glob(place) if path.name != "minimal.py"}
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    binding = [r.id for r, lane in PLACES if lane in lanes and r.level is not Level.MAY]
    wanted = [id_ for id_ in binding if not id_.startswith("GOOD")]
    assert [id_ for id_ in wanted if not re.search(rf"\b{id_}\b", text)] == []


def test_levels_of_cases() -> None:
    """No case has a higher level than its requirement, and in each lane one has the same level."""
    above = [
        c.id for c in catalogue() if LEVELS.index(c.level) > LEVELS.index(requirements()[c.requirement].level)
    ]
    found = {(case.requirement, case.lane, case.level) for case in catalogue()}
    below = [
        (r.id, str(lane)) for r, lane in PLACES if cases_of(r.id, lane) and (r.id, lane, r.level) not in found
    ]
    assert (above, below) == ([], [])


def test_every_case_has_its_place() -> None:
    """Each case names a known requirement and one of its lanes, and has a reason."""
    known = {(row.id, lane) for row, lane in PLACES}
    astray = [c.id for c in catalogue() if (c.requirement, c.lane) not in known or not c.why.strip()]
    assert astray == []


def test_case_ids_begin_with_their_requirement() -> None:
    """The id of a case begins with the id of its requirement."""
    lost = [c.id for c in catalogue() if not c.id.startswith(f"{c.lane}/{c.requirement.lower()}-")]
    assert lost == []


def test_dashboard_cases_say_where_they_look() -> None:
    """A case of the dashboard lane is named after its route: the API, or the page in a browser.

    Every MUST of the lane is checked by both routes.
    """
    own = [case for case in catalogue() if case.lane is Lane.DASHBOARD]
    ways = {case.id: case.id.removeprefix(f"dashboard/{case.requirement.lower()}-")[:4] for case in own}
    assert set(ways.values()) == {"api-", "page"}
    assert [c.id for c in own if c.on_page != (ways[c.id] == "page")] == []
    seen = {(case.requirement, case.on_page) for case in own if case.level is not Level.MAY}
    assert len(seen) == 2 * len({requirement for requirement, _ in seen})


def test_only_cases_on_the_page_have_a_browser() -> None:
    """In the dashboard lane, a test function takes a browser if and only if it checks the page."""
    wrong = []
    for path in sorted((ROOT / "e2e").glob("test_dashboard_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                ids = [ast.literal_eval(a) for d in node.decorator_list for a in getattr(d, "args", [])]
                engine = "engine" in {argument.arg for argument in node.args.args}
                wrong += [id_ for id_ in ids if ("-page-" in id_) != engine]
    assert wrong == []


def scenario_ids() -> list[str]:
    """Return the case ids of the scenarios in the fixtures."""
    lanes = tomllib.loads((FIXTURES / "scenarios.toml").read_text(encoding="utf-8"))
    return [f"{lane}/{id_}" for lane, rows in lanes.items() for id_ in rows]


def marked(folder: Path) -> Iterator[str]:
    """Return the ids in the ``@scenarios`` marks of the test functions in a folder."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "scenarios":
                    yield from (ast.literal_eval(argument) for argument in mark.args)


def test_every_scenario_has_one_check() -> None:
    """Each scenario belongs to exactly one test function or check of the load lane, and vice versa."""
    marks = [*marked(ROOT / "conformance" / "checks"), *marked(ROOT / "e2e"), *CHECKS]
    assert sorted(marks) == sorted(scenario_ids())


def test_every_vector_lane_has_its_check() -> None:
    """Each lane named by a vector has one test function that checks vectors."""
    found = []
    for folder in (ROOT / "conformance" / "checks", ROOT / "e2e"):
        for path in sorted(folder.rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                marks = node.decorator_list if isinstance(node, ast.FunctionDef) else []
                found += [ast.unparse(m) for m in marks if ast.unparse(m).startswith("vectors(")]
    lanes = {case.lane for case in catalogue() if case.vector}
    assert sorted(found) == sorted(f"vectors(Lane.{lane.name})" for lane in lanes)


VECTORS = sorted((FIXTURES / "vectors").rglob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=[f"{path.parent.name}-{path.stem}" for path in VECTORS])
def test_vectors_follow_their_schema(path: Path) -> None:
    """Each file of vectors is valid under its schema, so that any language can read it."""
    schema = json.loads((FIXTURES / "schema" / f"{path.parent.name}-vector.schema.json").read_text())
    errors = Draft202012Validator(schema).iter_errors(json.loads(path.read_text(encoding="utf-8")))
    assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


@pytest.mark.parametrize("path", VECTORS, ids=[f"{path.parent.name}-{path.stem}" for path in VECTORS])
def test_vectors_are_filed_by_family(path: Path) -> None:
    """A vector is in the file of its requirement's family, and its id begins with the requirement's.

    Vectors generated from the table of transformations are in a file of their own, and marked by their ids.
    """
    vectors = json.loads(path.read_text(encoding="utf-8"))["vectors"]
    lost = []
    for vector in vectors:
        own = f"{vector['requirement'].lower()}-"
        begin = f"{own}verbatim-" if path.stem == "verbatim" else f"{path.stem}-"
        if not (vector["id"].startswith(own) and vector["id"].startswith(begin)):
            lost.append(vector["id"])
    assert lost == []


@pytest.mark.parametrize("path", sorted((FIXTURES / "schema").glob("*.json")), ids=lambda path: path.stem)
def test_schemas_are_schemas(path: Path) -> None:
    """Each schema is valid under the JSON Schema draft that it names."""
    Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


REQUIREMENT = {
    "type": "object",
    "required": ["level", "lanes", "what", "why"],
    "additionalProperties": False,
    "properties": {
        "level": {"enum": ["MUST", "SHOULD", "MAY"]},
        "lanes": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": list(LANES.values())},
        },
        "what": {"type": "string", "minLength": 20},
        "why": {"type": "string", "minLength": 20},
        "source": {"type": "string", "minLength": 20},
        "since": {"type": "string", "pattern": "^[0-9]{4}-[0-9]+$"},
        "excluded": {"type": "object", "additionalProperties": {"type": "string", "minLength": 10}},
    },
}
SCENARIO = {
    "type": "object",
    "required": ["requirement", "what", "why"],
    "additionalProperties": False,
    "properties": {
        "requirement": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"},
        "level": {"enum": ["MUST", "SHOULD", "MAY"]},
        "what": {"type": "string", "minLength": 20},
        "why": {"type": "string", "minLength": 20},
        "since": {"type": "string", "pattern": "^[0-9]{4}-[0-9]+$"},
        "group": {"type": "string", "minLength": 1},
    },
}


def test_requirements_have_their_members() -> None:
    """Each requirement has exactly the members that it needs, which finds misspelt names."""
    rows = tomllib.loads((FIXTURES / "requirements.toml").read_text(encoding="utf-8"))
    validator = Draft202012Validator(REQUIREMENT)
    assert [f"{id_}: {e.message}" for id_, row in rows.items() for e in validator.iter_errors(row)] == []


def test_scenarios_have_their_members() -> None:
    """Each scenario has exactly the members that it needs."""
    lanes = tomllib.loads((FIXTURES / "scenarios.toml").read_text(encoding="utf-8"))
    validator = Draft202012Validator(SCENARIO)
    rows = [(id_, row) for scenarios in lanes.values() for id_, row in scenarios.items()]
    assert [f"{id_}: {e.message}" for id_, row in rows for e in validator.iter_errors(row)] == []
