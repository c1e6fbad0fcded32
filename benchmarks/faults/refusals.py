"""Faults in which ClickHouse answers but refuses inserts: too little memory, a full disk."""

import subprocess
from contextlib import ExitStack, suppress

import httpx

from benchmarks.faults.faults import fault
from benchmarks.faults.scene import LoadScenario
from reference_server.delivery.census import census
from reference_server.storage import _embedded_settings
from reference_server.storage.client import connect

_MEMORY_BYTES = 64 * 1024**2
_LARGE_EVENTS = 40
_LONG_NAME = 39_000
_DISK_BYTES = 256 * 1024**2


@fault("memory", "ClickHouse has 64 MB, and 40 events have a name of 39 KB and 30 properties")
def _little_memory(scene: LoadScenario) -> None:
    """Lower the cap for most of the run; under it, ClickHouse could not answer the load run."""
    scene.pause(0.1)
    normal = _embedded_settings._MEMORY_BYTES
    scene.clickhouse.stop()
    _embedded_settings._MEMORY_BYTES = _MEMORY_BYTES
    scene.clickhouse.start()
    for number in range(_LARGE_EVENTS):
        event = {
            **{"t": "e", "n": f"{number:03}" + "n" * _LONG_NAME, "d": "large.example"},
            **{"mk": [f"k{key}" for key in range(30)], "mv": ["v"] * 30},
        }
        httpx.post(f"{scene.url}/api/event", json=event, trust_env=False).raise_for_status()
    scene.pause(0.6)
    scene.notes.append(f"{_refused(scene, 'MEMORY_LIMIT_EXCEEDED'):,} refusals")
    scene.notes.append(f"{census(scene.outboxes).pending:,} events waited")
    scene.clickhouse.stop()
    _embedded_settings._MEMORY_BYTES = normal
    scene.clickhouse.start()


def _on_a_small_disk(scene: LoadScenario, stack: ExitStack) -> None:
    scene.clickhouse.stop()
    folder = str(scene.clickhouse.data_dir)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", folder]
    if subprocess.run(mount, check=False).returncode:
        raise SystemExit("clickhouse-disk: mounting a small disk needs root: run it as root")
    stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
    scene.clickhouse.start()


@fault("clickhouse-disk", "the disk of ClickHouse is full, a third of the time", prepare=_on_a_small_disk)
def _full_clickhouse(scene: LoadScenario) -> None:
    scene.pause(0.2)
    ballast = scene.clickhouse.data_dir / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    scene.pause(0.3)
    scene.notes.append(f"{census(scene.outboxes).pending:,} events waited")
    ballast.unlink()


def _refused(scene: LoadScenario, error: str) -> int:
    client = connect(scene.clickhouse.url)
    try:
        query = "SELECT sum(value) FROM system.errors WHERE name = {error:String}"
        return int(client.query(query, parameters={"error": error}).result_rows[0][0])
    finally:
        client.close()
