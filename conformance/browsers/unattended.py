"""A Chromium that nothing is attached to: with DevTools, and so with Playwright, it prerenders nothing."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory

from conformance.browsers.base import Installed

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    # Without the port it would end when the page is loaded. Nobody connects to it.
    "--remote-debugging-port=0",
)
_STOP_SECONDS = 5.0


@contextmanager
def unattended(installed: Installed, url: str) -> Iterator[None]:
    """Show a page for the time of the context; what happens there is the page's own affair.

    Chromium only. Raises ValueError for another browser.
    """
    if installed.name != "chromium":
        raise ValueError(f"{installed.name} does not run unattended, only chromium does")
    with TemporaryDirectory(prefix="clickport-profile-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [installed.path, *_ARGUMENTS, f"--user-data-dir={profile}", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Debian's program is a shell script that starts the browser: all of the group has to go.
            start_new_session=True,
        )
        try:
            yield
        finally:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(_STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
