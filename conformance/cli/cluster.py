"""``clickport cluster``: run the reference server as several nodes on several shards, behind a front."""

import shlex
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from conformance.cli.execute import exit_codes
from conformance.results.redaction import Redaction
from conformance.targets.cluster import RunningCluster, cluster
from conformance.targets.installed_front import FRONTS, default_front


@click.command("cluster", short_help="Run the reference server on several nodes and shards.")
@click.option(
    "--shards", type=click.IntRange(1, 16), default=2, show_default=True, help="ClickHouse servers."
)
@click.option("--nodes", type=click.IntRange(1, 16), default=2, show_default=True, help="Ingest servers.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 is any.")
@click.option(
    "--front",
    "front_name",
    type=click.Choice(FRONTS),
    help="Load balancer. Default: the first of these that is installed.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to keep. Default: a temporary one, removed at the end.",
)
def cluster_(shards: int, nodes: int, port: int, front_name: str | None, data: Path | None) -> None:
    """Run nodes of the reference server on shards of embedded ClickHouse servers, behind a front, to look at.

    The front gives each request, or connection if it is the bundled one, to the next node. Ctrl-C, or closing
    the terminal, stops everything.

    \b
    Exit codes: 0 stopped, 2 usage, 3 could not run.
    """
    with exit_codes(Redaction.of({})), ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickport-cluster-")))
        folder.mkdir(parents=True, exist_ok=True)
        started = cluster(
            folder.absolute(),
            shards=shards,
            nodes=nodes,
            port=port,
            front_name=front_name or default_front(),
            say=lambda line: click.echo(line, err=True),
        )
        try:
            _show(stack.enter_context(started))
            while True:
                signal.pause()
        except KeyboardInterrupt:
            pass


def _show(running: RunningCluster) -> None:
    click.echo(f"Clickport cluster on {running.url}; Ctrl-C stops it")
    for number, url in enumerate(running.nodes, 1):
        click.echo(f"node {number}   {url}   health: {url}/healthz")
    for number, url in enumerate(running.shards, 1):
        click.echo(f"shard {number}  {url}")
    servers = " ".join(f"--server {url}" for url in running.nodes)
    click.echo(
        f"check it: clickport check --lane server {servers} --clickhouse {shlex.quote(running.shards[0])}"
    )
