"""Annotations of GitHub: one for each violated requirement, and none that a target could forge."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.reports import REPORTS
from conformance.results.record import Run
from conformance.results.verdict import CaseResult, Status, Verdict

Render = Callable[[Run], list[str]]


@pytest.fixture
def rendered(judged: Callable[[Run], Verdict], registry: Mapping[str, Requirement]) -> Render:
    """Return the commands of a run."""
    return lambda run: REPORTS["github"](run, judged(run), registry).splitlines()


def test_each_violated_requirement_has_one(rendered: Render, violated: Run) -> None:
    """Violations are errors by requirement, warnings one warning; title and text name the requirement."""
    again = replace(violated.results[0], id="tracker/prop-1-two")
    run = replace(violated, results=(again, *violated.results))
    lines = rendered(run)
    assert [line.split("::")[1] for line in lines] == [
        "error title=PROP-1 MUST (tracker)",
        "error title=REV-1 MUST (server)",
        "warning title=clickport%3A PROP-6",
    ]
    assert "Keys turn into property names and values into property values.%0A" in lines[0]
    assert 'tracker/prop-1-two: mv[0]: expected "pro", got "free"%0Aand 1 more case' in lines[0]


def test_the_tracker_is_the_place(rendered: Render, violated: Run) -> None:
    """A tracker's path is the file of the annotation; a URL is not."""
    places = {"dist/a,b:c.js": "file=dist/a%2Cb%3Ac.js,title", "https://a.example/t.js": "error title"}
    for tracker, expected in places.items():
        options = {"tracker": tracker}
        lines = rendered(replace(violated, info=replace(violated.info, options=options)))
        assert expected in lines[0].split("::")[1]


def test_a_conformant_run_has_none(rendered: Render, green: Run) -> None:
    """Without a violation or a warning nothing is annotated."""
    assert rendered(green) == []


@pytest.mark.parametrize("name", ["untestable", "waived", "selected"])
def test_a_run_that_fails_otherwise_has_one(
    rendered: Render, judged: Callable[[Run], Verdict], name: str, request: pytest.FixtureRequest
) -> None:
    """A run without a violation has one error if its exit code is not 0, which names the code and why."""
    run: Run = request.getfixturevalue(name)
    code = int(judged(run).exit_code)
    errors = [line for line in rendered(run) if line.startswith("::error ")]
    assert len(errors) == (code != 0)
    for line in errors:
        assert f"clickport%3A exit code {code} (" in line


def test_targets_cannot_forge_commands(rendered: Render, hostile: Run) -> None:
    """Each line is one command of ours: line breaks, commands and control characters are escaped."""
    forged = replace(
        hostile.results[0],
        status=Status.FAIL,
        level=Level.MUST,
        detail="x\n::error title=forged::y\r##[error]z\x1b[31m",
    )
    lines = rendered(replace(hostile, results=(forged, *hostile.results)))
    assert all(re.match(r"::(error|warning) ", line) for line in lines)
    assert not [line for line in lines if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line)]
    assert [line for line in lines if line.startswith("::error title=forged")] == []


def test_at_most_ten_errors(rendered: Render, green: Run) -> None:
    """GitHub shows ten errors of a step: the tenth names the remaining requirements."""

    def failed(number: int) -> CaseResult:
        return CaseResult(
            id=f"tracker/x-{number}-y",
            requirement=f"X-{number}",
            lane=Lane.TRACKER,
            level=Level.MUST,
            status=Status.FAIL,
        )

    results = tuple(map(failed, range(1, 13)))
    lines = rendered(replace(green, results=results))
    assert len(lines) == 10
    assert lines[-1].endswith("::X-10, X-11, X-12")
