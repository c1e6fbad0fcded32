"""The pytest plugins of a run: tests are generated from the cases, and results from their outcomes."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from xdist.scheduler import LoadScopeScheduling

from conformance.browsers import PageBroken
from conformance.drivers.liveness import not_observed, require_life
from conformance.drivers.markers import MARK, WORKER_INPUT
from conformance.drivers.posted_batch import post_burst
from conformance.harness.evidence import Evidence
from conformance.harness.instruments import Instruments
from conformance.harness.run_context import RunContext
from conformance.harness.timeouts import Interrupts, within
from conformance.paths import bundled
from conformance.protocol.cases import Case, catalogue, select
from conformance.protocol.outcomes import LeftOut
from conformance.protocol.requirements import Lane, Level
from conformance.reports.text import harmless, one_line
from conformance.results.record import case_result
from conformance.results.redaction import CLICKHOUSE_PASSWORD
from conformance.results.verdict import CaseResult, Fault, Status

# Far more than any case takes; repetitions and generated examples are added.
_CASE_SECONDS = 300
# From this number of cases on, a run sends more events than a usual rate limit permits.
_MANY_CASES = 30
_PROPERTY = "clickport-result"
_CANARY = "clickport-canary"
_COLLECTED = "clickport-collected"
_SLOWEST = "firefox"
_LANES = Path(__file__).parents[1] / "checks"
# The user's pytest.ini must not apply. A file, because not every system has /dev/null.
_NO_SETTINGS = Path(__file__).parent / "no_settings.ini"


def folders() -> tuple[Path, Path]:
    """Return the folders of the checks: ``checks`` and ``e2e``."""
    return _LANES, bundled("e2e")


class Checks:
    """Plugin of every process of a run: generates tests from the selected cases and results from tests."""

    def __init__(self, setup: RunContext) -> None:
        self._setup = setup
        options = setup.options
        chosen, _ = select(lanes=options.lanes, only=options.only, skip=options.skip, part=options.part)
        self._chosen = {case.id: case for case in chosen}
        self._many = sum(case.lane in (Lane.SERVER, Lane.PAIR) for case in chosen) >= _MANY_CASES
        self._instruments = Instruments(setup)
        self._known = frozenset(entry.case for entry in options.known if not entry.expired(setup.since))
        self._failed: set[tuple[str, Lane]] = set()
        self._broken_by_upcoming: Counter[str] = Counter()

    def pytest_configure(self, config: pytest.Config) -> None:
        """Use native tracebacks unless a terminal shows them: pytest would parse the sources for its own."""
        if not config.pluginmanager.hasplugin("terminal"):
            config.option.tbstyle = "native"

    @pytest.fixture
    def instruments(self) -> Instruments:
        """Return the instruments of this process, which live as long as its session."""
        return self._instruments

    def pytest_sessionfinish(self) -> None:
        """Close the instruments."""
        self._instruments.close()

    @pytest.fixture
    def evidence(self, request: pytest.FixtureRequest, case: Case) -> Evidence:
        """Return empty evidence for the check to fill in."""
        self._instruments.pictures.begin(wanted=case.level is not Level.MAY)
        return _evidence(request.node, self._setup)

    @pytest.fixture
    def token(self, evidence: Evidence) -> str:
        """Return the token of this case's events."""
        return self._setup.token(evidence.case.id, evidence.browser)

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Ignore the files of lanes, and of drawn cases, if none is selected: these load Hypothesis."""
        lane = collection_path.name.removeprefix("test_").partition("_")[0]
        own = collection_path.is_relative_to(_LANES) or collection_path.is_relative_to(bundled("e2e"))
        if not own or lane not in set(Lane):
            return None
        left = [case for case in self._chosen.values() if case.lane == lane]
        if collection_path.stem.endswith("_fuzz"):
            left = [case for case in left if case.drawn]
        return None if left else True

    def pytest_pycollect_makeitem(self, obj: object) -> list[pytest.Item] | None:
        """Collect no test of a function if the options select none of its cases."""
        marks = [mark for mark in getattr(obj, "pytestmark", ()) if mark.name == MARK]
        return [] if marks and not any(self._chosen.keys() & set(mark.args) for mark in marks) else None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Generate a test for each selected case of the function's mark and, if it uses one, each browser."""
        if mark := metafunc.definition.get_closest_marker(MARK):
            cases = [self._chosen[id_] for id_ in mark.args if id_ in self._chosen]
            metafunc.parametrize("case", cases, ids=[case.id for case in cases])
            if "engine" in metafunc.fixturenames:
                lanes = {case.lane for case in cases}
                browsers = self._setup.viewers if Lane.DASHBOARD in lanes else self._setup.browsers
                metafunc.parametrize("engine", [browser.name for browser in browsers])

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the tests by ``_turn``."""
        items.sort(key=self._turn)

    def _turn(self, item: pytest.Item) -> int:
        """Return the turn of a test: first the server lane and the tracker in one engine, for a verdict.

        Then the lanes of the slowest engine, so that none of them is left for the end.
        """
        if not _has_case(item):
            return 0
        lane, engine = _case(item).lane, _params(item).get("engine")
        if lane is Lane.SERVER or (lane is Lane.TRACKER and engine == self._setup.browsers[0].name):
            return 0
        slow = engine == _SLOWEST
        # Cases of a tracker that are distributed one by one fill the gaps at the end.
        order = {Lane.PAIR: 1 if slow else 4, Lane.TRACKER: 2 if slow else 5, Lane.DASHBOARD: 3}
        return order[lane]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the cases that pytest's own options leave, and send them to the referee."""
        self._instruments.collected = frozenset(_case(item).id for item in session.items if _has_case(item))
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output[_COLLECTED] = sorted(self._instruments.collected)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a case if ``--first-failure`` applies; before server cases, detect a rate limit.

        Raises LeftOut if the requirement has failed already, and Throttled.
        """
        if self._setup.options.first_failure and _has_case(item):
            case = _case(item)
            if (case.requirement, case.lane) in self._failed:
                raise LeftOut(f"{case.requirement} has failed already")
        if _has_case(item) and _case(item).lane in (Lane.SERVER, Lane.PAIR) and self._many:
            # A server with a rate limit would fail every case, each for a different reason.
            self._instruments.once(post_burst)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Limit the time of a case, since a driver may hang, and check that the browser works at all."""
        options = self._setup.options
        drawing = 2 * options.max_examples + options.fuzz_seconds + options.shrink_seconds
        drawing = drawing if "fuzz" in item.name else 0
        with within(_CASE_SECONDS + 30 * options.repeat + drawing), self._counting_broken_pages(item):
            engine = _params(item).get("engine") if _has_case(item) else None
            if engine:
                require_life(self._instruments, _case(item), engine, item.funcargs["evidence"])  # type: ignore[attr-defined]
            try:
                yield
            except (PageBroken, TimeoutError) as error:
                if engine is None:
                    raise
                raise not_observed(self._instruments, engine, error) from error

    @contextmanager
    def _counting_broken_pages(self, item: pytest.Item) -> Iterator[None]:
        """Count the pages that upcoming cases break apart: no other case may be given up because of them."""
        instruments = self._instruments
        if not _has_case(item) or not _case(item).upcoming(self._setup.options.requirement_set):
            yield
            return
        counted, instruments.broken = instruments.broken, self._broken_by_upcoming
        try:
            yield
        finally:
            instruments.broken = counted

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Convert the check's exception to a result, and set the outcome of the test accordingly."""
        report = yield
        if not _has_case(item) or call.when == "teardown" or (call.when == "setup" and not call.excinfo):
            return report
        evidence = getattr(item, "funcargs", {}).get("evidence") or _evidence(item, self._setup)
        error = call.excinfo.value if call.excinfo else None
        evidence.screenshot = self._instruments.pictures.of(error)
        found = evidence.result(error, call.duration)
        result = case_result(self._setup.redaction.data(asdict(found)))
        if result.status is Status.FAIL and not result.upcoming:
            self._failed.add((result.requirement, result.lane))
        report.user_properties = [(_PROPERTY, json.dumps(asdict(result), default=str))]
        if evidence.canary:
            report.user_properties.append((_CANARY, str(result.lane)))
        _show(report, result, excuse=self._excuse(result))
        return report

    def _excuse(self, result: CaseResult) -> str:
        """Return why a failure does not count: "upcoming", "warning" or "known"; otherwise ""."""
        if result.status is not Status.FAIL:
            return ""
        if result.upcoming:
            return "upcoming"
        if result.level is not Level.MUST and not self._setup.options.strict:
            return "warning"
        return "known" if self._known & {result.id, result.known_as} else ""


class _ScopesOfCases(LoadScopeScheduling):  # type: ignore[misc]
    """Scheduler that runs the cases in one process that share pages, a batch of events or a search.

    Other cases of the tracker lane are distributed one by one.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        _, _, parameters = test.partition("[")
        id_, _, engine = parameters.removesuffix("]").rpartition("-")
        lane = Path(path).stem.split("_")[1]
        if lane in (Lane.SERVER, Lane.DASHBOARD):
            return lane
        if path.endswith("_fuzz.py"):
            return f"{lane} {engine} search"
        if shared := next((name for name, part in _SHARING_VISITS.items() if part.search(id_)), None):
            return f"{lane} {engine} {shared}"
        if lane == Lane.PAIR or id_ in _sharing_a_page():
            return f"{lane} {engine}"
        if group := _groups().get(id_):
            return f"{lane} {engine} {group}"
        return nodeid


# Cases that are judged by one visit to a page.
_SHARING_VISITS = {
    "neighbour": re.compile("^tracker/good-"),
    "worker": re.compile("^tracker/deliv-.-worker-"),
    "ways out": re.compile("^tracker/deliv-2-(download|form-target|popup|intercept|mailto|print)-"),
}


@cache
def _sharing_a_page() -> frozenset[str]:
    return frozenset(case.id for case in catalogue() if case.vector.get("together"))


@cache
def _groups() -> dict[str, str]:
    return {case.id: case.group for case in catalogue() if case.group}


class Referee:
    """Plugin that collects the results of a run in the process that computes the verdict."""

    def __init__(self, setup: RunContext, on_result: Callable[[CaseResult], None]) -> None:
        self._setup = setup
        self._on_result = on_result
        self._seen: set[str] = set()
        self._collected: set[str] = set()
        self.interrupts = Interrupts()
        self.problems: list[str] = []
        self.canaries: dict[str, str] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        """Return the scheduler, which decides which cases share a process."""
        return _ScopesOfCases(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the run context to a worker process."""
        node.workerinput[WORKER_INPUT] = self._setup.to_json()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: list[Any]) -> None:
        """Hold back Ctrl-C while the worker processes start."""
        self.interrupts.hold(len(specs))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self) -> None:
        """Let Ctrl-C arrive when the last one has started."""
        self.interrupts.started()

    def pytest_runtest_logstart(self) -> None:
        """Start no further case after Ctrl-C, even if a callback swallowed the KeyboardInterrupt."""
        if self.interrupts.seen:
            raise KeyboardInterrupt

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass on the result in the report of a test."""
        for name, text in report.user_properties:
            if name == _PROPERTY and isinstance(text, str):
                result = case_result(json.loads(text))
                self._seen.add(result.id)
                self._on_result(result)
            elif name == _CANARY:
                self.canaries[str(text)] = "noticed"

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep the cases that pytest's own options leave."""
        self._collected |= {_case(item).id for item in session.items if _has_case(item)}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep errors of collection: without a file of checks no verdict is possible."""
        if report.failed:
            self.problems.append(f"{report.nodeid}: {report.longreprtext}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """Keep the cases of a worker process and, if it died, the reason."""
        self._collected |= set(getattr(node, "workeroutput", {}).get(_COLLECTED, ()))
        if error:
            self.problems.append(f"worker {node.gateway.id} died: {error}")

    def conclude(self, left_out: str = "", cut_short: str = "") -> None:
        """Add a result for every case without one: deselected, not run, or lost by a fault of the suite.

        ``left_out`` names the pytest options that may have deselected cases, which the verdict then does not
        cover; ``cut_short`` names those that may have ended the run early. Both are empty otherwise.
        """
        options = self._setup.options
        chosen, deselected = select(
            lanes=options.lanes, only=options.only, skip=options.skip, part=options.part
        )
        why = "; ".join(self.problems) or "the check ended without a result"
        without = partial(_without, options.requirement_set)
        for case in (case for case in chosen if case.id not in self._seen):
            if not self.problems and left_out and case.id not in self._collected:
                self._on_result(without(case, Status.NOT_RUN, left_out, deselected=True))
            elif not self.problems and cut_short:
                self._on_result(without(case, Status.NOT_RUN, cut_short))
            else:
                self._on_result(without(case, Status.ERROR, f"no result: {why}", fault=Fault.SUITE))
        for case in deselected:
            self._on_result(without(case, Status.NOT_RUN, "deselected", deselected=True))


def _without(
    set_: str,
    case: Case,
    status: Status,
    detail: str,
    *,
    fault: Fault | None = None,
    deselected: bool = False,
) -> CaseResult:
    return CaseResult(
        id=case.id,
        requirement=case.requirement,
        lane=case.lane,
        level=case.level,
        status=status,
        detail=detail,
        fault=fault,
        deselected=deselected,
        drawn=case.drawn,
        upcoming=case.upcoming(set_),
    )


def _has_case(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARK) is not None


def _params(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params  # type: ignore[attr-defined, no-any-return]


def _case(item: pytest.Item) -> Case:
    case: Case = _params(item)["case"]
    return case


def _evidence(item: pytest.Item, setup: RunContext) -> Evidence:
    case = _case(item)
    browser = _params(item).get("engine")
    return Evidence(
        case=case,
        browser=browser,
        repro=_repro(case, setup, browser),
        upcoming=case.upcoming(setup.options.requirement_set),
    )


def _repro(case: Case, setup: RunContext, browser: str | None) -> str:
    """Return the shell command that repeats one case, with every option that its outcome depends on.

    A password of ClickHouse is replaced by its environment variable.
    """
    options = setup.options
    words = options.command_line(*_TARGETS, *(_DRAWING if case.drawn else _TRIES))
    if case.lane is Lane.DASHBOARD and options.has_server and not options.dashboard:
        words.append("--lane dashboard")
    if browser and (options.browser or len(setup.browsers) > 1):
        words.append(f"--browser {browser}")
    has_password = options.clickhouse and (
        urlsplit(options.clickhouse).password or CLICKHOUSE_PASSWORD in os.environ
    )
    environment = [f'{CLICKHOUSE_PASSWORD}="${CLICKHOUSE_PASSWORD}"'] if has_password else []
    return " ".join([*environment, "clickport check", *words, f"--only {case.id}"])


# The options for the targets of a case, and the others that its outcome depends on.
_TARGETS = (
    *("tracker", "shim", "payload", "server", "server_cmd", "server_app"),
    *("clickhouse", "table", "readback_url", "readback_cmd", "dashboard", "dashboard_key"),
    *("envelope", "domain", "strict", "requirements"),
)
_DRAWING = ("protocol", "max_examples", "seed", "counterexamples", "fuzz_seconds", "shrink_seconds")
_TRIES = ("repeat", "protocol")


def _show(report: pytest.TestReport, result: CaseResult, *, excuse: str) -> None:
    """Set the outcome in pytest's report: a failure with an excuse is xfailed, an undecided case skipped."""
    match result.status:
        case Status.PASS | Status.OBSERVED:
            report.outcome, report.longrepr = "passed", None
        case Status.NOT_TESTABLE | Status.NOT_RUN:
            report.outcome, report.longrepr = "skipped", (result.id, 0, f"Skipped: {result.detail}")
        case Status.FAIL:
            report.outcome = "failed"
            report.longrepr = harmless(f"{result.detail}\nRepeat: {result.repro}")
            if excuse:
                report.outcome = "skipped"
                report.wasxfail = one_line(f"{excuse}: {result.detail}")


def pytest_arguments(setup: RunContext, jobs: int) -> Sequence[str]:
    """Return pytest's arguments for the checks only, independent of configuration in the current folder."""
    lanes = set(setup.options.lanes)
    own, e2e = folders()
    places = [
        *([str(own)] if lanes & {Lane.TRACKER, Lane.SERVER} else []),
        *([str(e2e)] if lanes - {Lane.TRACKER, Lane.SERVER} else []),
    ]
    workers = ["-n", str(jobs), "--no-loadscope-reorder"] if jobs > 1 else []
    plugins = ["-p", "xdist.plugin"] if jobs > 1 else []
    # An open-ended search prints its progress, so output is not captured.
    capture = ["--capture", "no"] if setup.options.fuzz_seconds else []
    return [
        *places,
        *("-c", str(_NO_SETTINGS), "--rootdir", str(own.parent), "--import-mode", "importlib"),
        # `unraisableexception` collects garbage ten times, for warnings that only `terminal` prints.
        *("-p", "no:terminal", "-p", "no:unraisableexception", "-p", "no:cacheprovider"),
        *(*plugins, "-p", "conformance.pytest_plugin"),
        *workers,
        *capture,
    ]
