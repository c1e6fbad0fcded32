"""``python -m reference_server``: run the server, or only its ClickHouse."""

import os
import signal
from pathlib import Path
from typing import BinaryIO

import click

_DATA = click.Path(file_okay=False, path_type=Path)


class _CouldNotRun(click.ClickException):
    exit_code = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The reference server of the Clickport custom-events protocol."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 is any.")
@click.option("--site", "sites", multiple=True, help="Registered domain; repeatable. Default: any site.")
@click.option("--data", type=_DATA, help="Folder to keep. Default: a temporary one, removed at the end.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--adopt-outbox",
    "adopted",
    type=_DATA,
    multiple=True,
    help="Folder that was --data of a node that has ended for good; repeatable. Its events are stored too.",
)
def serve(
    *,
    host: str,
    port: int,
    sites: tuple[str, ...],
    data: Path | None,
    workers: int,
    adopted: tuple[Path, ...],
) -> None:
    """Take events, on an embedded ClickHouse or the one that CLICKHOUSE_URL names.

    Several nodes can share a ClickHouse: give each a folder of its own and the same CLICKPORT_SECRET_FILE.
    Settings, logins and quotas are those of all nodes; each node counts CLICKPORT_RATE_LIMIT on its own.
    """
    try:
        from reference_server.runtime import serve as server  # noqa: PLC0415 - its weight is an extra
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    options = server.ServeOptions(
        host=host,
        port=port,
        sites=sites,
        data=data,
        workers=workers,
        adopted=adopted,
        clickhouse_url=os.environ.get("CLICKHOUSE_URL"),
    )
    try:
        server.serve(options, click.echo)
    except server.CannotServe as error:
        raise _CouldNotRun(str(error)) from error


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 is any.")
def demo(port: int) -> None:
    """Run a server with a site that has a year of data, to try the dashboard.

    Everything is in a temporary folder, which is removed at the end (Ctrl-C).
    """
    try:
        from reference_server.runtime import demo as demo_  # noqa: PLC0415 - its weight is an extra
        from reference_server.runtime.serve import CannotServe  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing(error) from error

    failures: list[str] = []

    def fail(reason: str) -> None:
        failures.append(reason)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        demo_.demo(port, click.echo, fail)
    except CannotServe as error:
        raise _CouldNotRun(str(error)) from error
    if failures:
        raise _CouldNotRun(failures[0])


@main.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--site", required=True, help="Domain of the site.")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Address of the server.")
@click.option("--id", "id_", default="", help="Id of this import. Default: derived from the content.")
def import_(file: BinaryIO, site: str, url: str, id_: str) -> None:
    """Import events of the past from FILE (or -), a JSON object per line, into a running server.

    FILE may be compressed by gzip. A line is the payload of a tracker with its time in "at" and, if it is
    known, its visitor in "v". If a line is wrong, nothing is imported. The same import stores nothing twice.
    A key is read from CLICKPORT_API_KEY.
    """
    try:
        from reference_server.runtime import importing  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    importer = importing.Importer(url, site, os.environ.get("CLICKPORT_API_KEY", ""))
    try:
        imported = importer.import_file(importing.whole(file), id_)
    except importing.WrongLines as error:
        raise click.ClickException(f"nothing was imported:\n{error}") from error
    except importing.ImportRefused as error:
        raise _CouldNotRun(str(error)) from error
    finally:
        importer.close()
    for note in imported.notes:
        click.echo(note, err=True)
    click.echo(f"{imported.events:,} events, {imported.new:,} of them new")


@main.command()
@click.option("--data", type=_DATA, help="Folder to keep. Default: a temporary one, removed at the end.")
@click.option(
    "--shards",
    type=click.IntRange(1, 16),
    help="Run so many shards of the cluster 'clickport', and print their URLs with commas.",
)
def clickhouse(data: Path | None, shards: int | None) -> None:
    """Run the embedded ClickHouse alone, print its URL, and end with standard input."""
    try:
        from reference_server.runtime import serve as server  # noqa: PLC0415 - its weight is an extra
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        server.serve_clickhouse(data, click.echo, shards=shards)
    except server.CannotServe as error:
        raise _CouldNotRun(str(error)) from error


def _missing(error: ModuleNotFoundError) -> _CouldNotRun:
    return _CouldNotRun(
        f"the reference server needs {error.name}: pip install 'clickport-conformance[reference]'"
    )


if __name__ == "__main__":
    # `clickport serve` becomes this process; messages show the command that the user typed.
    main(prog_name=os.environ.pop("CLICKPORT_COMMAND", "python -m reference_server"))
