"""The pytest plugin: the fixture ``clickport`` for tests of a site, and ``pytest --pyargs conformance``.

Nothing of the harness is loaded before a test asks for the fixture or the checks are requested.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from conformance.drivers.markers import MARK, WORKER_INPUT
from conformance.harness.options import Options, UsageError

_PREFIX = "clickport_"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add every option of a run (``Options``) as ``--clickport-…``."""
    group = parser.getgroup("clickport", "Clickport conformance (with --pyargs conformance)")
    for field in fields(Options):
        about: dict[str, Any] = {
            "dest": _PREFIX + field.name,
            "default": None,
            "help": field.metadata["help"],
        }
        if field.metadata.get("flag"):
            about["action"] = "store_true"
        elif field.metadata.get("multiple"):
            about["action"] = "append"
        else:
            about["action"] = "store"
            about["type"] = int if field.metadata.get("number") else str
        if "choices" in field.metadata:
            about["choices"] = field.metadata["choices"]
        elif "metavar" in field.metadata:
            about["metavar"] = field.metadata["metavar"]
        group.addoption(f"--clickport-{field.name.replace('_', '-')}", **about)

    site = parser.getgroup("clickport-site", "Clickport events of a site (the fixture clickport)")
    site.addoption("--clickport-plan", metavar="FILE", help="Check every event of a test against this plan.")
    site.addoption(
        "--clickport-events", metavar="FILE", help="Append the events of all tests, for `clickport plan`."
    )
    site.addoption(
        "--clickport-update-snapshots", action="store_true", help="Write the files of clickport.snapshot()."
    )
    parser.addini("clickport_plan", "The tracking plan, if it is not tracking-plan.toml beside this file.")
    parser.addini(
        "clickport_endpoints", "Further origins of the site: endpoint, tracker.", type="linelist", default=[]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark and, if this process runs the checks, the plugins that do so."""
    config.addinivalue_line("markers", f"{MARK}(*ids): the cases that this check is made of")
    setup = getattr(config, "workerinput", {}).get(WORKER_INPUT)
    if setup is not None:
        _activate_worker(config, setup)
    elif _asked_for(config):
        config.pluginmanager.register(_Invocation(config), "clickport-invocation")


def _activate_worker(config: pytest.Config, setup: dict[str, Any]) -> None:
    from conformance.harness.run_context import RunContext  # noqa: PLC0415
    from conformance.harness.timeouts import forget_held_interrupt  # noqa: PLC0415
    from conformance.runner.session import Checks  # noqa: PLC0415 - in a user's own test run none of it is loaded

    forget_held_interrupt()
    config.pluginmanager.register(Checks(RunContext.from_json(setup)), "clickport-checks")


def _asked_for(config: pytest.Config) -> bool:
    """Return True if pytest was called with ``--pyargs conformance``."""
    return bool(config.option.pyargs) and any(arg.split("::")[0] == "conformance" for arg in config.args)


def options_of(config: pytest.Config) -> Options:
    """Return the ``--clickport-…`` options as Options. Raises pytest.UsageError if one is invalid."""
    given: dict[str, Any] = {}
    for field in fields(Options):
        value = config.getoption(_PREFIX + field.name)
        if value is not None:
            given[field.name] = tuple(value) if isinstance(value, list) else value
    try:
        return Options(**given)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def _left_out(config: pytest.Config, chosen: list[str]) -> str:
    """Describe the pytest options that may have deselected cases; return "" if none was used.

    ``chosen`` are the node ids on the command line.
    """
    option = config.option
    given = {
        "-k": option.keyword,
        "-m": option.markexpr,
        "--deselect": option.deselect,
        "node ids": chosen,
    }
    named = [name for name, value in given.items() if value]
    return f"deselected by pytest's {' and '.join(named)}" if named else ""


def _cut_short(config: pytest.Config) -> str:
    """Describe the pytest options that may have ended the run early; return "" if none was used."""
    return "not run, because of pytest's -x or --maxfail" if config.option.maxfail else ""


def _node_ids(config: pytest.Config, folders: tuple[Path, ...]) -> list[str]:
    """Return the node ids of checks on the command line, with absolute paths.

    Raises UsageError for any other argument except ``conformance``, because only the checks are run.
    """
    found = []
    for arg in config.args:
        name, colons, rest = arg.partition("::")
        if arg == "conformance":
            continue
        # Relative to a folder of the checks, as pytest prints them, or to the current folder.
        paths = [place / name for place in (*folders, config.invocation_params.dir)]
        inside = [p for p in paths if p.exists() and any(p.resolve().is_relative_to(f) for f in folders)]
        if not inside or name == "conformance":
            raise UsageError(
                f"{arg} is not a check of conformance: select cases by --clickport-only, -k, or node ids as "
                "pytest prints them, and run your own tests without --pyargs conformance"
            )
        found.append(f"{inside[0]}{colons}{rest}")
    return found


@pytest.fixture(scope="session")
def _clickport_recorder(pytestconfig: pytest.Config) -> Iterator[Any]:
    """Run the recorder once in each process of a test run."""
    from conformance.site.pytest_fixture import SiteTests  # noqa: PLC0415 - loaded by tests that use it

    with SiteTests.of(pytestconfig) as tests:
        yield tests


@pytest.fixture
def clickport(request: pytest.FixtureRequest, _clickport_recorder: Any) -> Iterator[Any]:
    """Events of the site under test: ``site``, ``attach``, ``expect``, ``none``, ``events``, ``snapshot``."""
    with _clickport_recorder.test(request) as observer:
        yield observer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test whose events arrived once too often, or differ from the plan."""
    __tracebackhide__ = True
    result = yield
    # A fixture of the user may have the same name.
    conclude = getattr(getattr(item, "funcargs", {}).get("clickport"), "conclude", None)
    if conclude:
        conclude()
    return result


class _Invocation:
    """A run by ``pytest --pyargs conformance``: like ``clickport check``, but with pytest's output."""

    def __init__(self, config: pytest.Config) -> None:
        self._options = options_of(config)
        self._stack = ExitStack()
        self._node_ids: list[str] = []
        self._results: list[Any] = []
        self._referee: Any = None
        self._info: Any = None
        self._run: Any = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Start the targets before any worker starts, and direct collection to the folders of the checks.

        Exits with code 2 for invalid options, and with 3 if a target or browser is missing.
        """
        from conformance.browsers import BrowserMissing  # noqa: PLC0415
        from conformance.harness.run_context import prepare  # noqa: PLC0415
        from conformance.protocol.cases import UnknownSelector  # noqa: PLC0415
        from conformance.protocol.outcomes import TargetUnavailable  # noqa: PLC0415
        from conformance.runner.run import chosen_cases  # noqa: PLC0415
        from conformance.runner.session import Checks, Referee, folders  # noqa: PLC0415

        config = session.config
        try:
            self._node_ids = _node_ids(config, folders())
            chosen_cases(self._options)
            setup = self._stack.enter_context(prepare(self._options))
        except (UsageError, UnknownSelector) as error:
            pytest.exit(str(error), returncode=2)
        except (TargetUnavailable, BrowserMissing) as error:
            pytest.exit(str(error), returncode=3)
        self._info = setup.info()
        self._referee = Referee(setup, self._results.append)
        config.pluginmanager.register(self._referee, "clickport-referee")
        config.pluginmanager.register(Checks(setup), "clickport-checks")
        config.option.pyargs = False
        config.args[:] = self._node_ids or [str(folder) for folder in folders()]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Complete the results, store counterexamples, and set the exit code of the verdict."""
        from conformance.results import counterexamples  # noqa: PLC0415
        from conformance.results.record import Run  # noqa: PLC0415

        if self._referee is None or session.exitstatus == pytest.ExitCode.INTERRUPTED:
            return
        config = session.config
        self._referee.conclude(_left_out(config, self._node_ids), _cut_short(config))
        finds = [find for result in self._results for find in counterexamples.counterexample_of(result)]
        counterexamples.add(Path(self._options.counterexamples), finds)
        self._run = Run(info=self._info, results=tuple(self._results), interrupted=False)
        session.exitstatus = int(self._run.verdict().exit_code)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the verdict as ``clickport check`` does."""
        from conformance.reports import summary  # noqa: PLC0415

        if self._run is None:
            return
        verdict = self._run.verdict()
        headline = summary.headline(self._run, verdict)
        terminalreporter.section("clickport")
        for why, names in summary.by_reason(summary.unverified(self._run, verdict)).items():
            terminalreporter.line(f"not verified: {names}: {why}")
        terminalreporter.line(headline.sentence)
        for aside in headline.asides:
            terminalreporter.line(aside)
        terminalreporter.line(f"exit code {summary.exit_code(self._run, verdict)}")

    def pytest_unconfigure(self) -> None:
        """Stop the targets."""
        self._stack.close()
