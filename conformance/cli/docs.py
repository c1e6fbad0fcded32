"""``clickport docs``: list the pages of the documentation, or print one; they are part of the package."""

import difflib

import click

from conformance.paths import bundled


@click.command(short_help="Show a page of the documentation.")
@click.argument("page", required=False)
def docs(page: str | None) -> None:
    """Print a PAGE of the documentation as Markdown; without PAGE, list them all.

    \b
    clickport docs
    clickport docs test-my-tracker
    """
    pages = {path.stem: path for path in sorted(bundled("docs").glob("*.md"))}
    if page is None:
        width = max(map(len, pages))
        for name, path in pages.items():
            title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
            click.echo(f"{name:<{width}}  {title}")
        return
    name = page.removeprefix("docs/").removesuffix(".md")
    if name not in pages:
        near = difflib.get_close_matches(name, pages, n=1)
        hint = f"did you mean {near[0]}?" if near else "`clickport docs` lists the pages"
        raise click.UsageError(f"there is no page {page!r}: {hint}")
    click.echo(pages[name].read_text(encoding="utf-8"), nl=False)
