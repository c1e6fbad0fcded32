"""The demo: a server with a site that has a year of data, which leaves nothing behind."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from reference_server.runtime import demo_data
from reference_server.runtime.importing import Importer, ImportRefused, parts
from reference_server.runtime.serve import ServeOptions, serve


def demo(port: int, say: Callable[[str], None], fail: Callable[[str], None]) -> None:
    """Serve the demo until SIGINT or SIGTERM. Raises CannotServe.

    ``say`` is called with a line to print when the data is there, ``fail`` with the reason if it cannot be
    imported.
    """
    # It is open to this machine alone, and has nothing to do with the server that a shell is set up for.
    for name in [name for name in os.environ if name.startswith(("CLICKPORT_", "CLICKHOUSE_"))]:
        del os.environ[name]

    def fill(line: str) -> None:
        url = line.removeprefix("Clickport reference server on ").partition(" ")[0]
        try:
            say(_filled(url))
        except (ImportRefused, httpx.HTTPError) as error:
            fail(f"the data of the demo could not be imported: {error}")

    def ready(line: str) -> None:
        # On a thread of its own: the one that calls watches the server.
        threading.Thread(target=fill, args=(line,), name="demo", daemon=True).start()

    serve(ServeOptions(port=port), ready)


def _filled(url: str) -> str:
    """Import the data, create the goals, and return what to tell the user."""
    now = datetime.now(UTC)
    with httpx.Client(base_url=f"{url}/api/sites/{demo_data.SITE}", trust_env=False) as http:
        http.put("/settings", json={"timezone": demo_data.ZONE}).raise_for_status()
        for name in demo_data.GOALS:
            http.post("/goals", json={"type": "custom_event", "event_name": name}).raise_for_status()
    importer = Importer(url, demo_data.SITE)
    try:
        imported = importer.import_parts(parts(demo_data.lines(now)), "demo")
    finally:
        importer.close()
    page = f"{url}/{demo_data.SITE}"
    return (
        f"A year of {demo_data.SITE}, {imported.events:,} events: {page} (Ctrl-C ends it and leaves nothing)"
    )
