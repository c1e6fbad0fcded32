"""Distribution of the tests over processes: files that wait first, and the tests of some one by one."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

# No test depends on the speed of a busy machine.
settings.register_profile("clickport", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clickport")

# Their tests share nothing and wait for time limits, so that other processes have the processors meanwhile.
_ONE_BY_ONE = tuple(
    f"tests/check/test_{name}.py"
    for name in (
        "hostile_targets",
        "tracker_kinds",
        "server_faults",
        "tracker_faults",
        "foreign_tracker",
        "sound_servers",
        "publishable",
    )
)
# Files that take long are begun early, so that none of them is left for the end.
_EARLY = (
    *_ONE_BY_ONE,
    "tests/check/",
    "tests/package/test_documented_runs.py",
    "tests/server/test_serve.py",
    "tests/server/test_openapi.py",
    "tests/server/test_stateful.py",
    "tests/site/test_shop.py",
    "tests/dashboard/",
)


class _Files(LoadFileScheduling):  # type: ignore[misc]
    """Scheduler that runs the tests of a file in one process, which shares its fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return nodeid if file in _ONE_BY_ONE else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Return the scheduler of ``make test``."""
    config.option.loadscopereorder = False
    return _Files(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files that take long before the others."""
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    return next((turn for turn, start in enumerate(_EARLY) if nodeid.startswith(start)), len(_EARLY))
