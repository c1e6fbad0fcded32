"""Import of history by the API."""

import hashlib
from datetime import UTC, datetime

from flask import Blueprint, Response, abort, g, jsonify, request

from reference_server.ingest.history import BadLines, Changed, read_history
from reference_server.storage.client import Clients
from reference_server.storage.imports import OtherContent, import_once

TYPE = "application/x-ndjson"
_SHOWN = 100
_ID_CHARACTERS = 200


def add_import(routes: Blueprint, clients: Clients, max_body: int) -> None:
    """Add the import to the API."""

    @routes.post("/import")
    def import_() -> Response | tuple[Response, int]:
        # Forms of other sites cannot send this type.
        if request.mimetype != TYPE or request.content_encoding:
            abort(415, f"the body must be {TYPE}, not compressed: a JSON object per line")
        body = request.get_data()
        if len(body) > max_body:
            abort(413, f"the body must have at most {max_body:,} bytes: send the lines in parts")
        id_ = request.args.get("id") or hashlib.sha256(body).hexdigest()
        if len(id_) > _ID_CHARACTERS:
            abort(400, f"id must have at most {_ID_CHARACTERS} characters (got {len(id_)})")
        try:
            history = read_history(body, g.site, datetime.now(UTC))
        except BadLines as error:
            shown = error.lines[:_SHOWN]
            reason = f"{error}: nothing was imported (line {shown[0].line}: {shown[0].error})"
            return jsonify(error=reason, lines=shown, total=len(error.lines)), 400
        events, stored = len(history.rows), 0
        if events and "check" not in request.args:
            try:
                stored = events if import_once(clients, g.site, id_, history.rows) else 0
            except OtherContent as error:
                abort(409, str(error))
        return jsonify(id=id_, events=events, stored=stored, notes=list(map(_note, history.changed)))


def _note(changed: Changed) -> dict[str, object]:
    return {
        "code": changed.note.code,
        "line": changed.line,
        "text": changed.note.text,
        "lines": changed.lines,
    }
