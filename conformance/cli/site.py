"""``clickport site``: render run records to a folder of static pages."""

from pathlib import Path

import click

from conformance.cli.execute import exit_codes
from conformance.reports.site import BadFolder, BadRecord, pages, publish, read_all, require_replaceable
from conformance.reports.text import harmless
from conformance.results.redaction import Redaction, masked


@click.command(short_help="Make static pages of results from run records.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("records", metavar="[NAME=]RECORD...", nargs=-1, required=True)
def site(folder: Path, records: tuple[str, ...]) -> None:
    """Write the results in each RECORD as static pages to DIR, which work without a server.

    A RECORD is the run record of `check` or `load`, or the JSON report of `selftest`. NAME is that of the
    implementation, by default what was tested. Records of one name are its history.

    \b
    clickport site public reference=clickport-run.jsonl reference=clickport-load.jsonl
    clickport site public old=2026-10.jsonl new=2026-11.jsonl selftest.json

    DIR is replaced in one step, if it is absent, empty, or such a site; nothing changes if this fails.
    Exit codes: 0 written, 2 a record that cannot be read, or a folder that must not be replaced.
    """
    with exit_codes(Redaction.of({})):
        try:
            require_replaceable(folder)
            read = read_all(records)
            files = pages(read)
            publish(folder, files)
        except (BadRecord, BadFolder) as error:
            raise click.UsageError(harmless(masked(str(error)))) from error
        except FileNotFoundError as error:
            raise click.UsageError(harmless(f"{error.filename}: there is no such file")) from error
    counts = f"{len(read.names)} implementations, {len(read.runs)} runs, {len(files)} files"
    click.echo(f"wrote {folder / 'index.html'}: {counts}")
