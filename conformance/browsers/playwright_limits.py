"""Calls of Playwright with a time limit of our own, and the end of a browser that hangs.

Playwright has no limit for some calls. For others, such as a wait in a page, it has one that it keeps only if
the page still responds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import Parameter, signature
from typing import Any
from weakref import WeakKeyDictionary

import psutil
from playwright._impl._sync_base import mapping
from playwright.sync_api import Browser, BrowserContext, Page, Playwright
from playwright.sync_api import Error as PlaywrightError

SECONDS = 15.0
"""The time that a browser has for a response."""

_KILL_SECONDS = 5.0
_PROCESSES: WeakKeyDictionary[Browser, list[psutil.Process]] = WeakKeyDictionary()


def call(
    owner: Browser | BrowserContext | Page,
    method: str,
    *arguments: Any,
    of: str,
    more: float = 0,
    **options: Any,
) -> Any:
    """Call a method of Playwright's internal API and return its result, an object of that API included.

    Raises TimeoutError after ``SECONDS`` and ``more`` seconds: "no response … from ``of``".
    """
    seconds = SECONDS + more
    awaited = asked(getattr(owner._impl_obj, method), *arguments, **options)
    return owner._sync(_result(awaited, seconds, f"no response within {seconds:g} s from {of}"))


async def _result(awaited: Awaitable[Any], seconds: float, otherwise: str) -> Any:
    task = asyncio.ensure_future(awaited)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # May end unseen.
    # Not by wait_for, which awaits the end of what it cancels: Playwright asks the page to clean up first.
    if not (await asyncio.wait({task}, timeout=seconds))[0]:
        task.cancel()
        raise TimeoutError(otherwise)
    return task.result()


def asked(method: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Awaitable[Any]:
    """Call a method of Playwright's internal API, with None for each other argument that it needs.

    From 1.65 on these methods have no default values.
    """
    signed = signature(method)
    given = signed.bind_partial(*arguments, **options).arguments
    needed = [name for name, each in signed.parameters.items() if each.default is Parameter.empty]
    return method(*arguments, **options, **{name: None for name in needed if name not in given})


def public(internal: Any) -> Any:
    """Return the object of the public API for one of the internal API."""
    return mapping.from_impl(internal)


def launch(playwright: Playwright, engine: str, **options: Any) -> Browser:
    """Start a browser as Playwright does, and remember its processes for ``end``."""
    before = _driven(playwright)
    running: Browser = getattr(playwright, engine).launch(**options)
    _PROCESSES[running] = [process for process in _driven(playwright) if process not in before]
    return running


def end(running: Browser) -> None:
    """Close a browser, or end its processes if it hangs."""
    # It may have crashed, or Ctrl-C, which reaches every process of a terminal, may have ended it.
    with suppress(PlaywrightError):
        try:
            call(running, "close", of="the browser")
        except TimeoutError:
            for process in _PROCESSES.pop(running, []):
                _kill(process)


def _driven(playwright: Playwright) -> list[psutil.Process]:
    """Return the processes that the driver of Playwright has started."""
    transport: Any = playwright._impl_obj._connection._transport
    started: list[psutil.Process] = psutil.Process(transport._proc.pid).children()
    return started


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        ended = [*process.children(recursive=True), process]
        for one in ended:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(ended, _KILL_SECONDS)
