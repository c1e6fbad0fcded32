"""Measure the time from ``track()`` in one tab to the row on the dashboard in another, in Chromium."""

import subprocess
import sys
import time
import uuid
from statistics import median, quantiles

from conformance.browsers import find
from conformance.browsers.playwright_engines import PLAYWRIGHT

TRIES = int(sys.argv[1]) if len(sys.argv) > 1 else 50
SITE = f"{uuid.uuid4().hex[:12]}.example"


def main() -> None:
    """Measure and print median, p95 and maximum."""
    command = [sys.executable, "-m", "reference_server", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            url = line.removeprefix("Clickport reference server on ").partition(" ")[0]
            seconds = sorted(_tries(url))
        finally:
            process.terminate()
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    sys.stdout.write(
        f"track() to the row in another tab, {len(seconds)} tries: median {median(seconds):.2f} s, "
        f"p95 {p95:.2f} s, at most {seconds[-1]:.2f} s\n"
    )


def _tries(url: str) -> list[float]:
    with PLAYWRIGHT as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium").path or None)
        shop, dashboard = browser.new_page(), browser.new_page()
        shop.goto(f"{url}/healthz")  # Any page of this origin will do.
        shop.set_content(f'<script data-domain="{SITE}" src="{url}/tracker.js"></script>')
        shop.wait_for_function("window.clickport")
        dashboard.goto(f"{url}/{SITE}?tab=events")
        seconds = []
        for number in range(TRIES):
            began = time.monotonic()
            shop.evaluate("name => clickport.track(name)", f"Event {number}")
            dashboard.locator(f'[data-event="Event {number}"]').wait_for(timeout=20_000)
            seconds.append(time.monotonic() - began)
        browser.close()
    return seconds


if __name__ == "__main__":
    main()
