"""Faults in which ClickHouse answers, and refuses: for memory, and for its disk."""

import json
import resource
import urllib.request

from reference_server.clickhouse import _settings
from reference_server.clickhouse.client import connect
from scripts.faults.faults import fault
from scripts.faults.scene import Scene

_MEMORY_BYTES = 450 * 1024**2
_LARGE_EVENTS = 40
_LONG_NAME = 80_000


@fault("memory", "ClickHouse has 450 MB, and 40 events have a name of 80 KB and 30 properties")
def _little_memory(scene: Scene) -> None:
    """The cap stays lowered until everything is stored."""
    scene.pause(0.1)
    scene.clickhouse.stop()
    _settings._MEMORY_BYTES = _MEMORY_BYTES
    scene.clickhouse.start()
    for number in range(_LARGE_EVENTS):
        event = {
            **{"t": "e", "n": f"{number:03}" + "n" * _LONG_NAME, "d": "large.example"},
            **{"mk": [f"k{key}" for key in range(30)], "mv": ["v"] * 30},
        }
        request = urllib.request.Request(f"{scene.url}/api/event", json.dumps(event).encode())
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
    scene.pause(0.5)
    scene.notes.append(f"{_refused(scene, 'MEMORY_LIMIT_EXCEEDED'):,} refusals")


@fault("clickhouse-disk", "no room for ClickHouse, but for the outbox, a third of the time")
def _full_clickhouse(scene: Scene) -> None:
    """No file of ClickHouse may grow any more."""
    scene.pause(0.2)
    process = scene.clickhouse.pid
    assert process
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (64, most))
    scene.pause(0.3)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))
    scene.notes.append(f"{_refused(scene, 'CANNOT_WRITE_TO_FILE_DESCRIPTOR'):,} refusals")


def _refused(scene: Scene, error: str) -> int:
    client = connect(scene.clickhouse.url)
    try:
        query = "SELECT sum(value) FROM system.errors WHERE name = {error:String}"
        return int(client.query(query, parameters={"error": error}).result_rows[0][0])
    finally:
        client.close()
