"""The fixture ``clickport`` within pytest: the recorder of a process, and an object for each test."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from conformance.recorder import Recorder
from conformance.site.observer import Clickport
from conformance.site.plan import PLAN, BadPlan, Plan, read_plan

_PLAYWRIGHT = "playwright"
_FOLDER = "__clickport__"


class SiteTests:
    """The recorder that the tests of one process share, and their options."""

    def __init__(self, config: pytest.Config, plan: Plan | None) -> None:
        self._config = config
        self._plan = plan
        self._recorder = Recorder()

    @classmethod
    def of(cls, config: pytest.Config) -> Self:
        """Return it for a test run. Raises pytest.UsageError if the plan cannot be read."""
        named = config.getoption("--clickport-plan") or config.getini("clickport_plan")
        path = config.rootpath / (named or PLAN)
        try:
            plan = read_plan(path) if named or path.exists() else None
        except BadPlan as error:
            raise pytest.UsageError(str(error)) from error
        return cls(config, plan)

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorder.__exit__(kind, error, trace)

    @contextmanager
    def test(self, request: pytest.FixtureRequest) -> Iterator[Clickport]:
        """Yield the object of one test; observe the page of pytest-playwright if the test uses it."""
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in request.node.name)
        observer = Clickport(
            self._recorder,
            plan=self._plan,
            endpoints=self._config.getini("clickport_endpoints"),
            snapshot=request.path.parent / _FOLDER / f"{request.path.stem}-{name}",
            update=self._config.getoption("--clickport-update-snapshots"),
            base_url=str(self._config.getoption("base_url", None) or ""),
        )
        if "page" in request.fixturenames and self._config.pluginmanager.hasplugin(_PLAYWRIGHT):
            observer.observe(request.getfixturevalue("page"))
        try:
            yield observer
        finally:
            self._keep(observer)
            observer.close()

    def _keep(self, observer: Clickport) -> None:
        if file := self._config.getoption("--clickport-events"):
            try:
                lines = [json.dumps(event.to_json()) for event in observer.events]
            except AssertionError:  # A request that is not an event has failed the test already.
                return
            with (self._config.invocation_params.dir / Path(file)).open("a", encoding="utf-8") as kept:
                kept.write("".join(f"{line}\n" for line in lines))
