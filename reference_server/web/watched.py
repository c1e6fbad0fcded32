"""Requests whose queries end with them: if the client leaves, or asks for their progress."""

import re

from flask import Flask, Response, request

from reference_server.analytics import running
from reference_server.storage.client import Clients

LEAVING = "clickport.leaving"
"""Key of the WSGI environment: a list of functions to call if the client leaves before the end."""

_NAME = re.compile(r"[0-9a-f]{16,64}")


def watch(app: Flask, clients: Clients) -> None:
    """End the queries of a request whose client leaves; ``query`` may name them for their progress."""

    @app.before_request
    def begin() -> None:
        name = request.args.get("query", "")
        current = running.Running(clients, name if _NAME.fullmatch(name) else "")
        running.begin(current)
        request.environ.get(LEAVING, []).append(current.end)

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        running.begin(None)

    @app.errorhandler(running.Left)
    def left(_error: running.Left) -> Response:
        return Response(status=408)  # The client has left: the answer is not received.


def is_name(text: str) -> bool:
    """Return True if queries can have this name."""
    return bool(_NAME.fullmatch(text))
