"""Ratios to yardsticks of the same run: empty callables, a bare Flask, the minimal server, ClickHouse alone.

Locust is slower than what it is to measure. So each is driven twice: by Locust, as the target was, and by a
probe that is fast; and what Locust can send at most is told, for readers to see whether it was the limit.
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
from conformance.load.await_rows import settle
from conformance.load.journal import JournalReader, clock
from conformance.load.measure import locust
from conformance.load.mix import EventGenerator, RequestKind, read
from conformance.load.plan import Plan
from conformance.load.progress import LoadProgress
from conformance.load.stored import stored
from conformance.paths import bundled
from conformance.protocol.browser_headers import TEXT, with_browser_headers
from conformance.protocol.outcomes import TargetUnavailable
from conformance.targets.process import Process, free_port
from conformance.targets.server import EVENT_PATH, reference_clickhouse

SECONDS = 4.0
# What others do on the machine comes and goes: the probe takes turns.
ROUNDS, ROUND_SECONDS = 3, 3.0
# Events come from many visitors at once. Locust cannot drive as many as fast, and says so by its figures.
_CONNECTIONS, _SENDERS = 128, 32
_BODIES = 2_000
_LIMIT_SECONDS = 60.0
_SERVERS = {
    "empty-rsgi": "empty RSGI callable on granian, as the reference is one",
    "empty-wsgi": "empty WSGI callable on granian",
    "flask": "bare Flask on granian, 202",
    "minimal": "reference_server/minimal.py on granian, an INSERT in each request",
}
# In a process of its own, with the options that load/baselines.py sets for the others.
_MINIMAL = (
    *("-P", "-m", "granian", "--interface", "wsgi", "--factory", "reference_server.minimal:create_app"),
    *("--loop", "uvloop", "--http", "1", "--no-ws", "--no-log", "--port"),
)
# With Locust so much of what it can send at all is called its limit.
_LIMIT_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class _Tool:
    """How requests are made: the plan of Locust, and the words of the probe, which get URL and file."""

    plan: Plan
    bodies: Path
    name: str
    words: tuple[str, ...]


def compare(setup: RunContext, plan: Plan, progress: LoadProgress) -> dict[str, Any]:
    """Drive the yardsticks and the target, in turn; return plain data. Raises TargetUnavailable."""
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
        # Of what was driven one after the other, as a machine that others use is not the same for long.
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
    """The rounds of one server in one: sums of counts, medians of the rest."""
    return {
        key: (sum if isinstance(value, int) else median)(drive[key] for drive in drives)
        for key, value in drives[0].items()
    }


def _ratio(ours: float | None, theirs: float) -> float | None:
    return round(ours / theirs, 2) if ours is not None and theirs else None


def _tool(setup: RunContext, plan: Plan, run: str, folder: Path) -> _Tool:
    bodies = folder / "bodies"
    sender = EventGenerator(read(plan.mix), run=run, name="probe", seed=plan.seed, envelope=setup.envelope)
    shots = (shot.body for shot in sender.visit() if shot.kind is RequestKind.EVENT)
    bodies.write_bytes(b"\n".join(next(shots) for _ in range(_BODIES)) + b"\n")
    headers = folder / "headers"
    named = with_browser_headers({"Content-Type": TEXT}, plan.domain).items()
    headers.write_text("".join(f"{name}: {value}\n" for name, value in named), encoding="ascii")
    flood = replace(plan, shape="flood", seconds=SECONDS, senders=_SENDERS, processes=1)
    words: tuple[str, ...]
    wrk = shutil.which("wrk")
    if not wrk:
        script = str(bundled("load/probe.py"))
        sizes = (str(ROUND_SECONDS), str(_CONNECTIONS))
        words = (sys.executable, "-P", script, "{url}", str(bodies), str(headers), *sizes)
        return _Tool(plan=flood, bodies=bodies, name="load/probe.py (wrk is not installed)", words=words)
    told = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False).stdout.split()
    lua = ("-s", str(bundled("load/probe.lua")), "{url}", "--", str(bodies), str(headers))
    words = (wrk, "-t", "1", "-c", str(_CONNECTIONS), "-d", f"{ROUND_SECONDS:.0f}s", *lua)
    return _Tool(plan=flood, bodies=bodies, name=" ".join(told[:2]), words=words)


def _by_locust(tool: _Tool, url: str, run: str, folder: Path) -> float:
    """Drive a server by Locust: answers a second."""
    journal = folder / token_hex(4)
    journal.mkdir()
    with locust(tool.plan, url, f"{run}l", journal) as process:
        code = process.wait(_LIMIT_SECONDS)
        if code:
            raise RuntimeError(f"Locust ended with exit code {code}.\n{process.tail(40)}")
    return round(sum(1 for answer in JournalReader(journal).new() if answer.status) / SECONDS, 1)


def _by_probe(tool: _Tool, url: str) -> dict[str, Any]:
    """Drive a server by the probe, once: counts are integers, all else is not."""
    found = json.loads(_output(tuple(word.replace("{url}", url) for word in tool.words)).splitlines()[-1])
    acknowledged = found["answers"] - found["refused"]
    return {
        "probe_a_second": round(acknowledged / found["seconds"], 1),
        "probe_p95_ms": round(float(found["p95_ms"]), 3),
        "acknowledged": acknowledged,
        "refused": found["refused"],
        "failed": found["failed"],
    }


def _durably(setup: RunContext, plan: Plan, tool: _Tool, run: str) -> dict[str, Any]:
    """Drive the target by the probe, until all that it acknowledged is stored.

    The bodies repeat, so rows are counted.
    """
    assert setup.server
    url, readback = setup.server.event_url, setup.readback()
    if not readback:
        return _by_probe(tool, url)
    found = stored(readback, run)
    before, began = found.count(), clock()
    drive = _by_probe(tool, url)
    ended = clock()
    sender = EventGenerator(read(plan.mix), run=run, name="after", seed=0, envelope=setup.envelope)
    expected = before + int(drive["acknowledged"])
    settled = settle(found, url, sender, domain=plan.domain, expected=expected, patience=_LIMIT_SECONDS / 2)
    return {
        **drive,
        "stored": found.count() - before - 1,
        "stored_after_s": round(settled, 2),
        "durable_a_second": round(drive["acknowledged"] / (ended - began + settled), 1),
    }


def _alone(bodies: Path, clickhouse: str) -> dict[str, float]:
    words = (sys.executable, str(bundled("load/baselines.py")), "clickhouse", str(bodies), str(SECONDS))
    found = json.loads(_output(words, CLICKHOUSE_URL=clickhouse))
    return {"rows_a_second": round(found["rows"] / found["seconds"], 1)}


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
    """A database of its own in the ClickHouse of the bundled server, or in one of its own."""
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
        raise TargetUnavailable(f"could not make a database for the yardsticks: {error}") from error
    return f"{url.rpartition('/')[0]}/{name}"
