"""``python -m reference_server``: run the server, or only its ClickHouse."""

import os
from pathlib import Path

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
def serve(host: str, port: int, sites: tuple[str, ...], data: Path | None, workers: int) -> None:
    """Take events, on an embedded ClickHouse or the one that CLICKHOUSE_URL names."""
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
        clickhouse_url=os.environ.get("CLICKHOUSE_URL"),
    )
    try:
        server.serve(options, click.echo)
    except server.CannotServe as error:
        raise _CouldNotRun(str(error)) from error


@main.command()
@click.option("--data", type=_DATA, help="Folder to keep. Default: a temporary one, removed at the end.")
def clickhouse(data: Path | None) -> None:
    """Run the embedded ClickHouse alone, print its URL, and end with standard input."""
    try:
        from reference_server.runtime import serve as server  # noqa: PLC0415 - its weight is an extra
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        server.serve_clickhouse(data, click.echo)
    except server.CannotServe as error:
        raise _CouldNotRun(str(error)) from error


def _missing(error: ModuleNotFoundError) -> _CouldNotRun:
    return _CouldNotRun(
        f"the reference server needs {error.name}: pip install 'clickport-conformance[reference]'"
    )


if __name__ == "__main__":
    # `clickport serve` becomes this process; messages show the command that the user typed.
    main(prog_name=os.environ.pop("CLICKPORT_COMMAND", "python -m reference_server"))
