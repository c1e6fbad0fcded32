"""The faults: functions that break one thing while events are sent.

The decorator ``fault`` registers a function; ``__main__`` imports the modules that use it.
"""

import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.scene import LoadScenario, forgetful
from reference_server.delivery.census import census
from reference_server.storage.client import connect

Act = Callable[[LoadScenario], None]
Prepare = Callable[[LoadScenario, ExitStack], None]


@dataclass(frozen=True, kw_only=True)
class FaultScenario:
    """A fault: its title in the table, a preparation before the server starts, and the act under load."""

    title: str
    act: Act
    prepare: Prepare
    seconds: float
    """Of load, at the least."""


FAULTS: dict[str, FaultScenario] = {}
"""The faults by their names on the command line, in the order of the table."""


def _as_it_is(_scene: LoadScenario, _stack: ExitStack) -> None:
    pass


def fault(name: str, title: str, *, prepare: Prepare = _as_it_is, seconds: float = 0) -> Callable[[Act], Act]:
    """Return a decorator that registers a function as the fault ``name``.

    ``prepare`` is called before the server starts; it registers its clean-up on the stack.
    """

    def register(act: Act) -> Act:
        FAULTS[name] = FaultScenario(title=title, act=act, prepare=prepare, seconds=seconds)
        return act

    return register


@fault("none", "nothing")
def _nothing(_: LoadScenario) -> None:
    pass


def _through_a_forgetful_proxy(scene: LoadScenario, stack: ExitStack) -> None:
    scene.through = stack.enter_context(forgetful(scene))


def _with_a_faked_clock(scene: LoadScenario, _: ExitStack) -> None:
    scene.clock = _faked(scene.folder / "clock")


def _faked(file: Path) -> Mapping[str, str]:
    """Return an environment in which a process reads its clock through ``file``; timers are not affected."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if not library:
        raise SystemExit("clock: libfaketime is not installed: apt-get install faketime")
    file.write_text("+0", encoding="ascii")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@fault("answers", "the answers to two inserts in three get lost", prepare=_through_a_forgetful_proxy)
def _lose_answers(scene: LoadScenario) -> None:
    scene.forgetful.set()
    scene.pause(0.8)
    scene.forgetful.clear()
    scene.notes.append(f"{scene.answers_lost} answers")


@fault("worker", "SIGKILL of a worker, three times")
def _kill_workers(scene: LoadScenario) -> None:
    for _ in range(3):
        scene.pause(0.2)
        scene.workers()[0].kill()


@fault("server", "SIGKILL of the whole server, twice, and a start")
def _kill_server(scene: LoadScenario) -> None:
    for _ in range(2):
        scene.pause(0.3)
        scene.end(signal.SIGKILL)
        scene.serve()


@fault("clickhouse", "ClickHouse killed for 20 s")
def _kill_clickhouse(scene: LoadScenario) -> None:
    scene.pause(0.15)
    assert scene.clickhouse.pid
    os.kill(scene.clickhouse.pid, signal.SIGKILL)
    scene.clickhouse.stop()
    time.sleep(20)
    waiting = census(scene.outboxes).pending
    scene.notes.append(f"{waiting:,} events waited")
    scene.clickhouse.start()


@fault("disk", "no room for the outbox, a third of the time")
def _fill_disk(scene: LoadScenario) -> None:
    """Limit the size of the workers' files for a third of the time, so that they cannot grow."""
    scene.pause(0.2)
    workers = scene.workers()
    _, most = resource.prlimit(workers[0].pid, resource.RLIMIT_FSIZE)
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (64 * 1024, most))
    scene.pause(0.3)
    for worker in workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (most, most))


@fault("poison", "ClickHouse refuses every event in pounds")
def _poison(scene: LoadScenario) -> None:
    """Make ClickHouse refuse every event in pounds for the rest of the run."""
    scene.pause(0.2)
    client = connect(scene.clickhouse.url)
    client.command("ALTER TABLE events ADD CONSTRAINT no_pounds CHECK revenue_source_currency != 'GBP'")
    client.close()


@fault("sigterm", "SIGTERM with a full outbox, ClickHouse away")
def _terminate(scene: LoadScenario) -> None:
    """Stop ClickHouse, let the outbox fill, end the server by SIGTERM, then start both again."""
    scene.pause(0.15)
    scene.clickhouse.stop()
    scene.pause(0.3)
    scene.end(signal.SIGTERM)
    scene.notes.append(f"{census(scene.outboxes).pending:,} events waited")
    scene.clickhouse.start()
    scene.serve()


@fault("clock", "the clock goes an hour back, and half an hour ahead", prepare=_with_a_faked_clock)
def _turn_back(scene: LoadScenario) -> None:
    """Set the server's clock an hour back, then half an hour ahead of that."""
    file = Path(scene.clock["FAKETIME_TIMESTAMP_FILE"])
    for shift in ("-3600", "-1800"):
        scene.pause(0.3)
        file.write_text(shift, encoding="ascii")
    scene.pause(0.3)
    client = connect(scene.clickhouse.url)
    [[early]] = client.query("SELECT countIf(timestamp < now() - 1200) FROM events").result_rows
    client.close()
    scene.notes.append(f"{early:,} rows have an earlier time")
