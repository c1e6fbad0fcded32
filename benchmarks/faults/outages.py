"""Faults of what the server itself looks after: its embedded ClickHouse, and its outboxes."""

import sqlite3
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil

from benchmarks.faults.faults import fault
from benchmarks.faults.scene import LoadScenario
from reference_server.delivery.census import census

_KILLS, _KILL_SECONDS = 12, 5.0
_DAMAGED_BYTES = 40_000


def _with_its_own_clickhouse(scene: LoadScenario, _: ExitStack) -> None:
    scene.clickhouse.stop()
    scene.embedded = True


@fault(
    "embedded",
    "the embedded ClickHouse is killed every 5 s for 60 s",
    prepare=_with_its_own_clickhouse,
    seconds=_KILLS * _KILL_SECONDS,
)
def _kill_embedded(scene: LoadScenario) -> None:
    killed = 0
    for _ in range(_KILLS):
        time.sleep(_KILL_SECONDS)  # The rate of the kills, not a wait for anything.
        # The supervisor restarts it after growing pauses, so it may be down when the kill is due.
        if victim := scene.embedded_process():
            with suppress(psutil.NoSuchProcess):
                victim.kill()
                killed += 1
    scene.notes.append(f"killed {killed} times, {census(scene.outboxes).pending:,} events waited")


@fault("outbox", "an outbox is overwritten in its middle, 40 KB, while ClickHouse is away")
def _damage_outbox(scene: LoadScenario) -> None:
    scene.pause(0.2)
    scene.clickhouse.stop()
    scene.pause(0.4)
    file = max(scene.outboxes.glob("*.sqlite"), key=lambda file: Path(f"{file}-wal").stat().st_size)
    with closing(sqlite3.connect(file, timeout=10)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2 - _DAMAGED_BYTES // 2)
        opened.write(b"\xa5" * _DAMAGED_BYTES)
    scene.notes.append(f"{census(scene.outboxes).pending:,} events waited")
    scene.clickhouse.start()
    scene.pause(0.3)
    scene.notes.append(f"{census(scene.outboxes).lost:,} cannot be read, and are reported as lost")
