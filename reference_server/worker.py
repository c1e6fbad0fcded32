"""A worker process: the application, configured by the environment, gone with the process that started it."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait

from flask import Flask

from reference_server.app import create_app
from reference_server.config import Config


def app() -> Flask:
    """Return the application of this worker."""
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    return create_app(Config.from_env())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)  # Killed without a word: a worker that lived on would keep the port.
