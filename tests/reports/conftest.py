"""Runs made by hand: conformant, with violations, untestable, with waivers, with hostile text."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.protocol.requirements import Lane, Level, Requirement
from conformance.results.record import Run, RunInfo
from conformance.results.verdict import CaseResult, Fault, Status, Verdict, judge
from conformance.results.waivers import Waiver

HOSTILE = "</script><b>&\x00\x1b[31m\ud83d[bold]```|@all\u202e]]>\ufffe\r\n"

REGISTRY = {
    r.id: r
    for r in (
        Requirement(
            id="PROP-1",
            level=Level.MUST,
            lanes=(Lane.TRACKER, Lane.SERVER),
            what="Keys turn into property names and values into property values.",
            why="A value under the wrong name is worse than a missing one.",
            excluded={},
        ),
        Requirement(
            id="PROP-6",
            level=Level.SHOULD,
            lanes=(Lane.SERVER,),
            what="Text stays well-formed.",
            why="Half an emoji is invalid UTF-8.",
            excluded={},
        ),
        Requirement(
            id="REV-1",
            level=Level.MUST,
            lanes=(Lane.SERVER,),
            what="The amount is stored as exactly that decimal.",
            why="Revenue that is off never matches the books again.",
            excluded={},
        ),
        Requirement(
            id="LINT-1",
            level=Level.MAY,
            lanes=(Lane.SERVER,),
            what="Advice: spell a name the same way everywhere.",
            why="One action under two spellings is two half-sized rows.",
            excluded={},
        ),
        Requirement(
            id="QUOTA-1",
            level=Level.MUST,
            lanes=(Lane.DASHBOARD,),
            what="A custom event uses up the quota by one.",
            why="Customers pay by this number.",
            excluded={Lane.DASHBOARD: "pending: needs the dashboard lane"},
        ),
    )
}

_CASES = {
    "tracker/prop-1-one": "PROP-1",
    "server/prop-1-one": "PROP-1",
    "server/prop-6-half-pair": "PROP-6",
    "server/rev-1-cents": "REV-1",
    "server/lint-1-twins": "LINT-1",
}


def result(case: str, status: Status = Status.PASS, **more: Any) -> CaseResult:
    """Return one result of a case of ``_CASES``."""
    lane = Lane(case.partition("/")[0])
    requirement = REGISTRY[_CASES[case]]
    values = {"level": requirement.level, "browser": "chromium" if lane is Lane.TRACKER else None}
    return CaseResult(
        id=case, requirement=requirement.id, lane=lane, status=status, **{"seconds": 0.25, **values, **more}
    )


def run(*results: CaseResult, lanes: tuple[Lane, ...] = (Lane.TRACKER, Lane.SERVER), **options: Any) -> Run:
    """Return a finished run with these results."""
    return Run(
        info=RunInfo(
            target={"tracker": "dist/t.js", "server": "http://me:secret@127.0.0.1:8000"},
            lanes=lanes,
            browsers=({"name": "chromium", "version": "150.0"},),
            options=options,
            started="2026-01-02T03:04:05.000+00:00",
            version="0.1.0",
        ),
        results=results,
        finished="2026-01-02T03:04:17.500+00:00",
        interrupted=False,
    )


@pytest.fixture
def registry() -> Mapping[str, Requirement]:
    """Return a small registry with every level, three families and three lanes."""
    return REGISTRY


@pytest.fixture
def judged() -> Callable[[Run], Verdict]:
    """Judge a run by the small registry."""
    return lambda run: judge(
        requirements=REGISTRY.values(),
        lanes=run.info.lanes,
        results=run.results,
        strict=run.info.strict,
        waivers=run.info.waivers,
        require_all=bool(run.info.options.get("require_all")),
    )


@pytest.fixture
def green() -> Run:
    """Return a run in which everything passed and the MAY was observed."""
    passed = [result(case) for case in _CASES if "lint" not in case]
    return run(*passed, result("server/lint-1-twins", Status.OBSERVED, detail="two rows"))


@pytest.fixture
def violated() -> Run:
    """Return a run with a violation in each lane, a warning, a suite error and an unverified lane."""
    exchange = {
        "origin": "http://localhost:4000",
        "method": "POST",
        "target": "/api/event",
        "headers": [["host", "localhost:4000"], ["content-type", "text/plain"]],
        "started": 1.0,
        "status": 202,
        "held": False,
        "followed": False,
        "gone": None,
        "body": '{"t":"e","n":"Play","mk":["plan"],"mv":["free"]}',
    }
    return run(
        result(
            "tracker/prop-1-one",
            Status.FAIL,
            detail='mv[0]: expected "pro", got "free"',
            repro="clickport check --only tracker/prop-1-one --tracker dist/t.js",
            sent="clickport.track('Play', { plan: 'pro' })",
            received=[exchange],
        ),
        result("server/prop-1-one"),
        result("server/prop-6-half-pair", Status.FAIL, detail="no row was stored", repro="curl -d x"),
        result(
            "server/rev-1-cents",
            Status.FAIL,
            detail='revenue_source_amount: expected "49.99", got "49.98"',
            repro="clickport check --only server/rev-1-cents",
            sent={"t": "e", "n": "Buy", "ra": 49.99},
            received={"status": 202},
            stored=[{"type": "custom", "name": "Buy", "revenue_source_amount": "49.98"}],
        ),
        result(
            "server/lint-1-twins", Status.ERROR, detail="RuntimeError: the canary sang", fault=Fault.SUITE
        ),
        lanes=(Lane.TRACKER, Lane.SERVER, Lane.DASHBOARD),
    )


@pytest.fixture
def untestable() -> Run:
    """Return a run without a readback, in which nothing could be decided."""
    why = "needs a readback: --clickhouse, --readback-url or --readback-cmd"
    cases = ("server/prop-1-one", "server/rev-1-cents")
    return run(*(result(c, Status.NOT_TESTABLE, detail=why) for c in cases), lanes=(Lane.SERVER,))


@pytest.fixture
def waived(green: Run) -> Run:
    """Return a run in which all passed except for a MUST that is not testable and waived."""
    blind = result("server/rev-1-cents", Status.NOT_TESTABLE, detail="no column of that name")
    others = [r for r in green.results if r.requirement != "REV-1"]
    waivers = (
        Waiver(requirement="REV-1", reason="amounts are stored <elsewhere>"),
        Waiver(requirement="QUOTA-1", reason="no usage API"),
    )
    return replace(green, results=(*others, blind), info=replace(green.info, waivers=waivers))


@pytest.fixture
def selected(green: Run) -> Run:
    """Return a run in which one of three MUSTs was selected fully, one in part and one not at all."""

    def deselected(of: CaseResult) -> CaseResult:
        return replace(of, status=Status.NOT_RUN, detail="deselected", deselected=True)

    more = deselected(result("server/prop-1-one"))
    results = [deselected(r) if r.requirement == "REV-1" else r for r in green.results]
    return replace(green, results=(*results, replace(more, id="server/prop-1-two")))


@pytest.fixture
def hostile() -> Run:
    """Return a run with NUL, escape sequences, markup and lone surrogates wherever a target can put them."""
    value = {HOSTILE: [HOSTILE, {"nan": float("nan")}], "long": "x" * 100_000}
    failed = result(
        "server/prop-1-one",
        Status.FAIL,
        detail=HOSTILE + "y" * 100_000,
        repro=HOSTILE,
        sent=HOSTILE,
        received=value,
        stored=["z" * 100_000],
    )
    bad = run(
        failed,
        result("server/rev-1-cents", Status.ERROR, detail=HOSTILE, fault=Fault.TARGET),
        result("server/prop-6-half-pair", Status.FAIL, detail=HOSTILE, stored=[value]),
        result("tracker/prop-1-one", Status.NOT_TESTABLE, detail=HOSTILE, browser=HOSTILE),
    )
    return Run(
        info=RunInfo(
            target={"server": HOSTILE},
            lanes=bad.info.lanes,
            browsers=({"name": HOSTILE, "version": HOSTILE},),
            started=bad.info.started,
            version=bad.info.version,
        ),
        results=bad.results,
        finished=bad.finished,
        interrupted=False,
    )
