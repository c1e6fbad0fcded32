"""Ratios of the target to yardsticks: empty callables, a bare Flask, the minimal server, ClickHouse alone.

Locust may be slower than the servers that it drives. Each is therefore driven by Locust and by a fast probe,
and the most that Locust can send is reported, so that readers see whether Locust was the limit.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from statistics import median
from typing import Any

import httpx

from conformance.harness.run_context import RunContext
from conformance.load.await_rows import await_rows
from conformance.load.journal import JournalReader, clock
from conformance.load.measure import locust
from conformance.load.mix import EventGenerator, RequestKind, read
from conformance.load.plan import LoadPlan
from conformance.load.progress import LoadProgress
from conformance.load.stored import stored
from conformance.paths import bundled
from conformance.protocol.browser_headers import TEXT, with_browser_headers
from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.process import Process, free_port
from conformance.targets.server import EVENT_PATH, reference_clickhouse

SECONDS = 4.0
# The probe drives the servers in turn, in rounds, because other load on the machine varies.
ROUNDS, ROUND_SECONDS = 3, 3.0
# The probe's connections and Locust's senders: Locust is slower with more.
_CONNECTIONS, _SENDERS = 128, 32
_BODIES = 2_000
_LIMIT_SECONDS = 60.0
_SERVERS = {
    "empty-rsgi": "empty RSGI callable on granian, as the reference is one",
    "empty-wsgi": "empty WSGI callable on granian",
    "flask": "bare Flask on granian, 202",
    "minimal": "reference_server/minimal.py on granian, an INSERT in each request",
}
# The same options as those of the servers in load/baselines.py.
_MINIMAL = (
    *("-P", "-m", "granian", "--interface", "wsgi", "--factory", "reference_server.minimal:create_app"),
    *("--loop", "uvloop", "--http", "1", "--no-ws", "--no-log", "--port"),
)
# Locust is called the limit if the target takes this share of the most that Locust can send.
_LIMIT_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class _Tool:
    """The means to drive a server: Locust's plan, and the probe's command with ``{url}`` for the URL."""

    plan: LoadPlan
    bodies: Path
    name: str
    words: tuple[str, ...]


def compare(setup: RunContext, plan: LoadPlan, progress: LoadProgress) -> dict[str, Any]:
    """Drive the target and the yardsticks in turn and return the comparison as plain data.

    Raises TargetUnavailable.
    """
    assert setup.server
    with (
        tempfile.TemporaryDirectory(prefix="clickport-yardsticks-") as name,
        _clickhouse(setup) as clickhouse,
        ExitStack() as stack,
    ):
        folder = Path(name)
        run = f"cp{token_hex(4)}"
        tool = _tool(setup, plan, run, folder)
        urls = {title: stack.enter_context(_server(key, clickhouse)) for key, title in _SERVERS.items()}
        urls = {setup.server.name: setup.server.event_url, **urls}
        locust_rates = {}
        for title, url in urls.items():
            progress.say(f"by Locust: {title}")
            locust_rates[title] = _by_locust(tool, url, run, folder)
        progress.say("ClickHouse alone")
        alone = _alone(tool.bodies, clickhouse)
        rounds = []
        for number in range(1, ROUNDS + 1):
            progress.say(f"all of them by the probe, round {number} of {ROUNDS}")
            ours = _durably(setup, plan, tool, run)
            rounds.append([ours, *(_by_probe(tool, url) for url in [*urls.values()][1:])])
    rows = [
        {"name": title, "locust_a_second": locust_rates[title], **_over(drives)}
        for title, drives in zip(urls, zip(*rounds, strict=True), strict=True)
    ]
    return _compared(tool, rows, rounds, alone)


def _compared(
    tool: _Tool, rows: list[dict[str, Any]], rounds: list[list[dict[str, Any]]], alone: Mapping[str, float]
) -> dict[str, Any]:
    target, *others = rows
    for number, row in enumerate(others, start=1):
        # Ratios within each round, because the load of a shared machine changes between rounds.
        ratios = [_ratio(drives[0]["probe_a_second"], drives[number]["probe_a_second"]) for drives in rounds]
        row["ratios"] = ratios
        known = [ratio for ratio in ratios if ratio is not None]
        row["ratio"] = median(known) if known else None
        row["locust_ratio"] = _ratio(target["locust_a_second"], row["locust_a_second"])
    most = others[0]["locust_a_second"]
    return {
        "probe": tool.name,
        "connections": _CONNECTIONS,
        "rounds": ROUNDS,
        "seconds": ROUND_SECONDS,
        "locust_at_most": most,
        "locust_is_the_limit": target["locust_a_second"] >= _LIMIT_SHARE * most,
        "target": target,
        "yardsticks": others,
        "clickhouse_alone": {
            **alone,
            "ratio": _ratio(target.get("durable_a_second"), alone["rows_a_second"]),
        },
    }


def _over(drives: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the rounds of one server as one: sums of the integers (counts), medians of the floats."""
    return {
        key: (sum if isinstance(value, int) else median)(drive[key] for drive in drives)
        for key, value in drives[0].items()
    }


def _ratio(ours: float | None, theirs: float) -> float | None:
    return round(ours / theirs, 2) if ours is not None and theirs else None


def _tool(setup: RunContext, plan: LoadPlan, run: str, folder: Path) -> _Tool:
    bodies = folder / "bodies"
    generator = EventGenerator(read(plan.mix), run=run, name="probe", seed=plan.seed, envelope=setup.envelope)
    events = (request.body for request in generator.visit() if request.kind is RequestKind.EVENT)
    bodies.write_bytes(b"\n".join(next(events) for _ in range(_BODIES)) + b"\n")
    headers = folder / "headers"
    pairs = with_browser_headers({"Content-Type": TEXT}, plan.domain).items()
    headers.write_text("".join(f"{name}: {value}\n" for name, value in pairs), encoding="ascii")
    flood = replace(plan, shape="flood", seconds=SECONDS, senders=_SENDERS, processes=1)
    words: tuple[str, ...]
    wrk = shutil.which("wrk")
    if not wrk:
        script = str(bundled("load/probe.py"))
        sizes = (str(ROUND_SECONDS), str(_CONNECTIONS))
        words = (sys.executable, "-P", script, "{url}", str(bodies), str(headers), *sizes)
        return _Tool(plan=flood, bodies=bodies, name="load/probe.py (wrk is not installed)", words=words)
    version = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False).stdout.split()
    lua = ("-s", str(bundled("load/probe.lua")), "{url}", "--", str(bodies), str(headers))
    words = (wrk, "-t", "1", "-c", str(_CONNECTIONS), "-d", f"{ROUND_SECONDS:.0f}s", *lua)
    return _Tool(plan=flood, bodies=bodies, name=" ".join(version[:2]), words=words)


def _by_locust(tool: _Tool, url: str, run: str, folder: Path) -> float:
    """Drive a server by Locust for ``SECONDS`` and return its answers a second."""
    journal = folder / token_hex(4)
    journal.mkdir()
    with locust(tool.plan, url, f"{run}l", journal) as process:
        code = process.wait(_LIMIT_SECONDS)
        if code:
            raise RuntimeError(f"Locust ended with exit code {code}.\n{process.tail(40)}")
    return round(sum(1 for answer in JournalReader(journal).new() if answer.status) / SECONDS, 1)


def _by_probe(tool: _Tool, url: str) -> dict[str, Any]:
    """Drive a server by the probe for one round; counts are integers, measurements are floats."""
    counts = json.loads(_output(tuple(word.replace("{url}", url) for word in tool.words)).splitlines()[-1])
    acknowledged = counts["answers"] - counts["refused"]
    return {
        "probe_a_second": round(acknowledged / counts["seconds"], 1),
        "probe_p95_ms": round(float(counts["p95_ms"]), 3),
        "acknowledged": acknowledged,
        "refused": counts["refused"],
        "failed": counts["failed"],
    }


def _durably(setup: RunContext, plan: LoadPlan, tool: _Tool, run: str) -> dict[str, Any]:
    """Drive the target by the probe and wait until every acknowledged event is stored.

    Rows are counted, not matched, because the bodies repeat.
    """
    assert setup.server
    url, readback = setup.server.event_url, setup.readback()
    if not readback:
        return _by_probe(tool, url)
    rows = stored(readback, run)
    before, started = rows.count(), clock()
    drive = _by_probe(tool, url)
    ended = clock()
    generator = EventGenerator(read(plan.mix), run=run, name="after", seed=0, envelope=setup.envelope)
    expected = before + int(drive["acknowledged"])
    waited = await_rows(
        rows, url, generator, domain=plan.domain, expected=expected, patience=_LIMIT_SECONDS / 2
    )
    return {
        **drive,
        "stored": rows.count() - before - 1,
        "stored_after_s": round(waited, 2),
        "durable_a_second": round(drive["acknowledged"] / (ended - started + waited), 1),
    }


def _alone(bodies: Path, clickhouse: str) -> dict[str, float]:
    words = (sys.executable, str(bundled("load/baselines.py")), "clickhouse", str(bodies), str(SECONDS))
    counts = json.loads(_output(words, CLICKHOUSE_URL=clickhouse))
    return {"rows_a_second": round(counts["rows"] / counts["seconds"], 1)}


def _output(words: tuple[str, ...], **env: str) -> str:
    with Process([*words], env=env) as process:
        code = process.wait(_LIMIT_SECONDS)
        if code:
            raise RuntimeError(f"{words[0]} ended with exit code {code}.\n{process.tail(40)}")
        return process.tail(1)


@contextmanager
def _server(name: str, clickhouse: str) -> Iterator[str]:
    port = free_port()
    words = _MINIMAL if name == "minimal" else (str(bundled("load/baselines.py")), name)
    with Process([sys.executable, *words, str(port)], env={"CLICKHOUSE_URL": clickhouse}) as process:
        process.wait_until_listening(port)
        yield f"http://127.0.0.1:{port}{EVENT_PATH}"


@contextmanager
def _clickhouse(setup: RunContext) -> Iterator[str]:
    """Yield the URL of a new database, in the bundled server's ClickHouse if there is one."""
    if setup.server and setup.server.clickhouse:
        yield _database(setup.server.clickhouse)
    else:
        with reference_clickhouse() as url:
            yield _database(url)


def _database(url: str) -> str:
    name = f"yardsticks_{token_hex(4)}"
    try:
        httpx.post(url, content=f"CREATE DATABASE {name}", trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise TargetUnavailable(f"could not create a database for the yardsticks: {error}") from error
    return f"{url.rpartition('/')[0]}/{name}"
