"""Payload modules (``--payload``), which read the events in the requests of a foreign tracker."""

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.recorder.exchange import Exchange

FUNCTION = "payloads"
ANSWER = "ANSWER"
_SHOWN = 120


@dataclass(frozen=True, kw_only=True)
class ReceivedRequest:
    """A request as passed to a payload module; the names of ``headers`` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class BadMapping(ValueError):
    """A payload module that cannot be loaded, or that lacks a function ``payloads``."""


class MappingFault(RuntimeError):
    """A call of ``payloads`` that raised or returned something else than payloads: no verdict is possible."""


class PayloadMapping:
    """A payload module, given by its file or its dotted name.

    ``answer`` is its ``ANSWER``: the JSON body that the tracker gets with status 200, or None for a 202.
    """

    def __init__(self, place: str) -> None:
        """Load the module. Raises BadMapping."""
        self.place = place
        module = _load(place)
        function = getattr(module, FUNCTION, None)
        if not callable(function):
            raise BadMapping(
                f"{place} has no function {FUNCTION}(request): define it to return the documented payloads "
                "in a request, a list of objects such as {'t': 'e', 'n': 'Signup'}"
            )
        self._function = function
        self.answer = getattr(module, ANSWER, None)
        if not isinstance(self.answer, str | None):
            raise BadMapping(f"{place}: {ANSWER} must be a string, the body of the response to the tracker")

    def events(self, exchange: Exchange) -> tuple[bytes, ...]:
        """Return the events in a request, as JSON of the documented fields.

        Raises MappingFault if the module's function fails.
        """
        request = ReceivedRequest(
            method=exchange.method,
            path=exchange.path,
            query=exchange.target.partition("?")[2],
            headers={name.lower(): value for name, value in exchange.headers},
            body=exchange.body,
        )
        try:
            with redirect_stdout(sys.stderr):  # stdout carries the recorder's answers.
                return tuple(map(_as_json, _require_list(self._function(request))))
        except Exception as error:
            raise MappingFault(
                f"--payload {self.place}: {FUNCTION}() raised {type(error).__name__}: {error}, for "
                f"{exchange.method} {exchange.target}, whose body begins {exchange.body[:_SHOWN]!r}; "
                "for a request without custom events it must return []"
            ) from error


def _require_list(found: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(found, list | tuple) or not all(isinstance(one, Mapping) for one in found):
        raise TypeError(f"expected a list of objects, got {found!r:.{_SHOWN}}")
    return found


def _as_json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(payload), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _load(place: str) -> ModuleType:
    try:
        with redirect_stdout(sys.stderr):
            is_file_name = place.endswith(".py") or "/" in place
            return _from_file(Path(place)) if is_file_name else _by_name(place)
    except BadMapping:
        raise
    except Exception as error:
        raise BadMapping(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error


def _by_name(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadMapping(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location("clickport_payload", path)
    if spec is None or spec.loader is None:
        raise BadMapping(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
