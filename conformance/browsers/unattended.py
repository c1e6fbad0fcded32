"""Chromium without an attached debugger: with one, and so with Playwright, it does not prerender pages."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory

from conformance import processes
from conformance.browsers.base import Installed, Trusted

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    # Without a debugging port it would exit once the page is loaded. Nothing connects to it.
    "--remote-debugging-port=0",
)
_STOP_SECONDS = 5.0
# Ends the browser and its children once standard input is closed, which the system does if this process is
# killed. Debian's program is a shell script that starts the browser: only its process group knows them all.
_BOUND = ("/bin/sh", "-c", '"$@" & read -r _; kill -9 0', "sh")


@contextmanager
def unattended(installed: Installed, url: str, *, trusted: Trusted | None = None) -> Iterator[None]:
    """Show a page in Chromium until the context ends, without any control over it.

    ``trusted`` is as for ``start``. Raises ValueError for another browser.
    """
    if installed.name != "chromium":
        raise ValueError(f"only chromium can run unattended (got {installed.name})")
    from conformance.browsers.playwright_engines import trust_arguments  # noqa: PLC0415 - slow to import

    trust = trust_arguments(trusted)
    with TemporaryDirectory(prefix="clickport-profile-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(_BOUND if os.name == "posix" else ()),
                *(installed.path, *_ARGUMENTS, *trust, f"--user-data-dir={profile}", url),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin
        try:
            yield
        finally:
            process.stdin.close()
            if os.name == "posix":
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_STOP_SECONDS)
            processes.kill(process)
            process.wait()
