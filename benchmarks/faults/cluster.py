"""Faults of a cluster under load: each acknowledged event must be stored once, in events and rollups.

``python -m benchmarks.faults.cluster`` starts two shards, two ingest nodes and a front for each fault, sends
events through the front, and breaks one part again and again meanwhile.
"""

import json
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.faults.checks import DIFFERENCES, ROWS, ask
from benchmarks.faults.cluster_scene import NODES, SHARDS, ClusterScene
from benchmarks.faults.command import WAIT, parser_of, until
from benchmarks.faults.visibility import SITE, Visibility
from reference_server.storage.client import Clients
from reference_server.storage.embedded_cluster import CLUSTER

_AWAY_SECONDS, _PAUSE_SECONDS = 1.0, 2.0
_OUTAGE_SECONDS = 10.0
_SETTING_SECONDS = 2.0
_DISK_BYTES = 256 * 1024**2
_BEFORE_SECONDS, _AFTER_SECONDS = 8.0, 15.0


@dataclass(frozen=True, kw_only=True)
class ClusterFault:
    """A fault: its title in the table, the act under load, and how often it is repeated."""

    title: str
    act: Callable[[ClusterScene, int], None]
    repeats: int = 1
    prepare: Callable[[ClusterScene], None] = lambda _: None


def _kill_shard(scene: ClusterScene, turn: int) -> None:
    scene.kill_shard(turn % SHARDS)
    time.sleep(_AWAY_SECONDS)
    scene.cluster.shards[turn % SHARDS].start()


def _kill_node(scene: ClusterScene, turn: int) -> None:
    scene.kill_node(turn % NODES)
    time.sleep(_AWAY_SECONDS)
    scene.start_node(turn % NODES)


def _upgrade(scene: ClusterScene, turn: int) -> None:
    """Stop a node as for an upgrade, start it on its folder, and wait until it is healthy."""
    scene.end_node(turn % NODES, signal.SIGTERM)
    scene.start_node(turn % NODES)
    health = f"http://127.0.0.1:{scene.ports[turn % NODES]}/healthz"
    until(lambda: httpx.get(health, trust_env=False, timeout=WAIT).is_success, "the node is not healthy")


def _kill_both(scene: ClusterScene, turn: int) -> None:
    scene.kill_shard(turn % SHARDS)
    scene.kill_node(turn % NODES)
    time.sleep(_AWAY_SECONDS)
    # The node starts while the shard is away.
    scene.start_node(turn % NODES)
    scene.cluster.shards[turn % SHARDS].start()


def _kill_front(scene: ClusterScene, _: int) -> None:
    scene.end_front()
    scene.kills += 1
    time.sleep(_AWAY_SECONDS)
    scene.start_front()


def _cut(scene: ClusterScene, turn: int) -> None:
    link = (scene.to_shards if turn % 2 == 0 else scene.between)[turn // 2 % SHARDS]
    link.cut()
    time.sleep(_OUTAGE_SECONDS)
    link.heal()


def _slow(scene: ClusterScene, _: int) -> None:
    slowed = (scene.to_shards[1], scene.between[1])
    for link in slowed:
        link.delay = 5.0
    time.sleep(2 * _OUTAGE_SECONDS)
    for link in slowed:
        link.delay = 0.0


def _on_a_small_disk(scene: ClusterScene) -> None:
    folder = scene.cluster.shards[1].data_dir
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False).returncode:
        raise SystemExit("disk: mounting a small disk needs root: run it as root")
    scene.stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)


def _fill_disk(scene: ClusterScene, _: int) -> None:
    ballast = scene.cluster.shards[1].data_dir / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    time.sleep(_OUTAGE_SECONDS)
    scene.notes.append(f"{scene.pending():,} events waited")
    ballast.unlink()


def _change_settings(scene: ClusterScene, turn: int) -> None:
    """Add a goal through one node while the other is away; that one must know it 2 s after its start."""
    away, here = turn % NODES, (turn + 1) % NODES
    scene.kill_node(away)
    goal = {"type": "custom_event", "event_name": f"Goal {turn}"}
    answer = httpx.post(_goals(scene, here), json=goal, trust_env=False, timeout=WAIT)
    answer.raise_for_status()
    scene.start_node(away)
    deadline = time.monotonic() + _SETTING_SECONDS
    while goal["event_name"] not in httpx.get(_goals(scene, away), trust_env=False, timeout=WAIT).text:
        if time.monotonic() > deadline:
            raise SystemExit(f"settings: node {away + 1} does not know {goal} after {_SETTING_SECONDS:g} s")
        time.sleep(0.05)
    scene.notes.append(f"goal {turn + 1} known to both nodes")


def _goals(scene: ClusterScene, node: int) -> str:
    return f"http://127.0.0.1:{scene.ports[node]}/api/sites/{SITE}/goals"


FAULTS = {
    "none": ClusterFault(title="nothing", act=lambda _, __: time.sleep(_OUTAGE_SECONDS)),
    "shard": ClusterFault(title="SIGKILL of a shard, away for 1 s", act=_kill_shard, repeats=16),
    "node": ClusterFault(title="SIGKILL of an ingest node, away for 1 s", act=_kill_node, repeats=16),
    "upgrade": ClusterFault(
        title="rolling upgrade: each node stopped by SIGTERM and started again, twice",
        act=_upgrade,
        repeats=4,
    ),
    "both": ClusterFault(title="SIGKILL of a shard and a node together", act=_kill_both, repeats=8),
    "front": ClusterFault(title="SIGKILL of the front, away for 1 s", act=_kill_front, repeats=8),
    "cut": ClusterFault(
        title="network cut for 10 s, four times: nodes and a shard, then two shards", act=_cut, repeats=4
    ),
    "slow": ClusterFault(title="a shard slower by 5 s in each direction, for 20 s", act=_slow),
    "settings": ClusterFault(
        title="a goal is added while a node is away, four times", act=_change_settings, repeats=4
    ),
    "disk": ClusterFault(title="the disk of a shard full for 10 s", act=_fill_disk, prepare=_on_a_small_disk),
}
"""The faults by their names on the command line, in the order of the table."""


def run(name: str, rate: float) -> dict[str, Any]:
    """Inject one fault; return counts, and the p95 of visibility before, during and after it, in seconds."""
    fault = FAULTS[name]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-faults-")))
        scene = ClusterScene(folder=folder, stack=stack)
        fault.prepare(scene)
        scene.begin()
        rows_url = scene.cluster.shards[0].url
        clients = Clients(scene.cluster.url, CLUSTER)
        visibility = stack.enter_context(Visibility(scene.url, clients))
        # Longer than the fault can take: the load is ended by SIGINT, which still compares and reports.
        load = _load(scene, rate, _seconds(fault))
        stack.callback(load.kill)
        began = time.monotonic()
        until(lambda: scene.pending() + ask(rows_url, ROWS) > 0, "no event was acknowledged")
        time.sleep(_BEFORE_SECONDS)
        broken = time.monotonic()
        for turn in range(fault.repeats):
            fault.act(scene, turn)
            if turn + 1 < fault.repeats:
                time.sleep(_PAUSE_SECONDS)
        healed = time.monotonic()
        output, errors = load.communicate(timeout=_seconds(fault) + 5 * WAIT)
        ended = time.monotonic()
        visibility.stop_sending()
        if not (folder / "report.json").exists():
            raise SystemExit(f"{name}: the load run ended with {load.returncode}:\n{output}{errors}")
        until(lambda: scene.pending() == 0, f"events are still pending after {WAIT:g} s")
        figures = json.loads((folder / "report.json").read_text(encoding="utf-8"))["load"]
        accepted, rows = scene.accepted(), ask(rows_url, ROWS)
        return {
            **figures["events"],
            "kills": scene.kills,
            "accepted": accepted,
            "rows": rows,
            "unseen": visibility.settle(WAIT),
            "errors": figures["errors"],
            "differences": ask(rows_url, DIFFERENCES),
            "p95": (
                visibility.p95(began, broken),
                visibility.p95(broken, healed),
                visibility.p95(healed, ended),
            ),
            "fault_seconds": round(healed - broken),
            "notes": scene.notes,
        }


def _seconds(fault: ClusterFault) -> float:
    """Return how long events are sent: until after the fault."""
    each: dict[Callable[[ClusterScene, int], None], float]
    each = {
        _cut: _OUTAGE_SECONDS,
        _slow: 2 * _OUTAGE_SECONDS,
        _kill_both: 6.0,
        _kill_node: 4.0,
        _upgrade: 6.0,
        _change_settings: 4.0,
    }
    once = each.get(fault.act, 3.0 if fault.repeats > 1 else _OUTAGE_SECONDS)
    return _BEFORE_SECONDS + fault.repeats * (once + _PAUSE_SECONDS) + _AFTER_SECONDS


def _load(scene: ClusterScene, rate: float, seconds: float) -> "subprocess.Popen[str]":
    command = [
        *(sys.executable, "-P", "-m", "conformance", "load", scene.url),
        *("--clickhouse", scene.cluster.shards[0].url, "--rate", f"{rate:g}", "--for", f"{seconds:g}s"),
        *("--patience", "60s", "--report", f"json={scene.folder / 'report.json'}"),
        *("--run-record", str(scene.folder / "run.jsonl")),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def main() -> None:
    """Inject the faults and print a row for each; exit with 1 if events were lost, doubled or altered."""
    given = parser_of(__doc__, FAULTS).parse_args()
    # Queries fail while a server is away, which the client reports each time.
    logging.disable(logging.ERROR)
    titles = (
        *("fault", "kills", "acknowledged", "not acknowledged", "stored", "lost", "doubled", "altered"),
        *("rollups differ by", "visible p95 before, during, after", ""),
    )
    sys.stdout.write(f"| {' | '.join(titles)} |\n|---|{'--:|' * 9}---|\n")
    wrong = 0
    for name in given.faults or FAULTS:
        counts = run(name, given.rate)
        lost = max(counts["lost"], counts["accepted"] - counts["rows"], counts["unseen"])
        doubled = max(counts["doubled"], counts["rows"] - counts["accepted"])
        wrong += lost + doubled + counts["altered"] + counts["differences"]
        numbers = (
            *(counts["kills"], counts["accepted"], counts["errors"], counts["rows"], lost, doubled),
            *(counts["altered"], counts["differences"]),
        )
        p95 = ", ".join("–" if each is None else f"{each:.1f} s" for each in counts["p95"])
        cells = [FAULTS[name].title, *(f"{number:,}" for number in numbers), p95, "; ".join(counts["notes"])]
        sys.stdout.write(f"| {' | '.join(cells)} |\n")
        sys.stdout.flush()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
