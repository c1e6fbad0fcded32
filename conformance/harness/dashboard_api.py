"""Client of the JSON API of the dashboard under test; unexpected responses become outcomes of the check."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from conformance.protocol.outcomes import NotAsked, NotTestable, TargetUnavailable, Violation
from conformance.results.redaction import DASHBOARD_KEY
from conformance.targets.asking import Asker, NoAnswer

if TYPE_CHECKING:
    from conformance.harness.run_context import RunContext

CONTRACT = "clickport docs test-my-dashboard"
_SHOWN = 300
_USAGE = {"pageviews", "custom_events", "total"}
_LARGEST = 50_000_000
_JSON = {"Content-Type": "application/json"}
# Columns that identify and order rows; the others are numbers, flags, texts or lists.
_NAMES = frozenset({"name", "event_name", "key", "currency", "rule"})
_NUMBERS = frozenset({"count", "conversions", "rate", "pageviews", "custom_events", "total"})
# Said by what is there and does not work.
_BROKEN = (500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class ApiAnswer:
    """Response to a request; ``asked`` describes the request in messages."""

    asked: str
    status: int
    text: str

    @property
    def data(self) -> Any:
        """The JSON of the response. Raises Violation unless the status is 2xx and the body empty or JSON."""
        if self.status // 100 != 2:
            raise Violation(f"{self.asked} was answered {self.status}: {self.text[:_SHOWN]}")
        try:
            return json.loads(self.text) if self.text else None
        except (ValueError, RecursionError):
            raise Violation(f"{self.asked} was not answered with JSON: {self.text[:_SHOWN]}") from None

    def rows(self, list_: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return these columns of the rows of a list in the answer. Raises Violation if one is missing."""
        return [self.pick(row, *columns) for row in self.members(self.pick(self.data, list_)[0], list_)]

    def members(self, value: Any, name: str) -> list[Any]:
        """Return a list in the answer. Raises Violation for anything else."""
        if not isinstance(value, list):
            raise Violation(
                f"{self.asked}: {name} is {json.dumps(value)[:_SHOWN]}, expected a list (see `{CONTRACT}`)"
            )
        return value

    def pick(self, data: Any, *keys: str) -> tuple[Any, ...]:
        """Return these members of ``data``, an object. Raises Violation if one is missing."""
        try:
            found = tuple(data[key] for key in keys)
        except (KeyError, TypeError):
            raise Violation(
                f"{self.asked}: no {', '.join(keys)} in {json.dumps(data)[:_SHOWN]} (see `{CONTRACT}`)"
            ) from None
        for key, value in zip(keys, found, strict=True):
            if (key in _NAMES and not isinstance(value, str)) or (
                key in _NUMBERS and not isinstance(value, int | float)
            ):
                kind = "text" if key in _NAMES else "a number"
                shown = json.dumps(value)[:_SHOWN]
                raise Violation(f"{self.asked}: {key} is {shown}, expected {kind} (see `{CONTRACT}`)")
        return found


class Dashboard:
    """Client for the requests of the contract in ``docs/test-my-dashboard.md``.

    ``silent`` is True until an event of the suite has been shown in time, and False from then on (None before
    the first wait). ``wrong`` is True once a figure did not reach its expected value in time.
    """

    def __init__(self, setup: "RunContext") -> None:
        key = setup.options.dashboard_key or os.environ.get(DASHBOARD_KEY)
        self.url = setup.dashboard
        # If the user declares that there is a dashboard, what it lacks is reported instead of skipped.
        self._named = bool(setup.options.bundled or setup.options.dashboard or key)
        self.key = key or ""
        self.silent: bool | None = None
        self.wrong = False
        self._asker = Asker(
            {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", **({"x-api-key": key} if key else {})},
            largest=_LARGEST,
        )

    def api(
        self,
        site: str,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        query: Mapping[str, str | int] | None = None,
    ) -> ApiAnswer:
        """Send a request to ``/api/sites/<site>/<path>``. Raises TargetUnavailable without a response."""
        return self._ask(method, f"/api/sites/{quote(site, safe='')}/{path}", body=body, query=query)

    def require_known(self, site: str) -> None:
        """Raise NotTestable unless the API exists, accepts the key and knows the site.

        Raises TargetUnavailable if a dashboard that was named does not respond.
        """
        try:
            answer = self.api(site, "events")
        except TargetUnavailable as error:
            if self._named:
                raise
            raise NotTestable(f"no dashboard to check: {error}") from error
        self._require_open(answer)
        try:
            known = answer.status in _BROKEN or bool(answer.pick(answer.data, "events"))
        except Violation:
            known = False
        if not known:
            raise NotTestable(
                f"no dashboard to check: {answer.asked} was answered {answer.status} "
                f"{answer.text[:100].strip()}; `{CONTRACT}` lists what a dashboard must offer for any site"
            )

    def require_usage(self, site: str) -> None:
        """Raise NotAsked unless a dashboard was named or the server offers the usage of a site."""
        if self._named:
            return
        try:
            answer = self.api(site, "usage")
            offered = isinstance(answer.data, dict) and bool(_USAGE & set(answer.data))
        except (TargetUnavailable, Violation):
            offered = False
        if not offered:
            raise NotAsked(
                "checked in the dashboard lane; in this lane only if the server offers the usage of a site "
                f"(GET /api/sites/<domain>/usage, see `{CONTRACT}`)"
            )

    def require_page(self, site: str, path: str = "") -> str:
        """Return the URL of a page of a site. Raises NotTestable if there is no such page."""
        answer = self._ask("GET", where := f"/{quote(site, safe='')}{path}")
        self._require_open(answer)
        if answer.status // 100 != 2 and answer.status not in _BROKEN:
            raise NotTestable(
                f"no dashboard page to check: {answer.asked} was answered {answer.status}; see `{CONTRACT}`"
            )
        return f"{self.url}{where}"

    def close(self) -> None:
        """Close the connection."""
        self._asker.close()

    def _require_open(self, answer: ApiAnswer) -> None:
        if answer.status in (401, 403):
            which = (
                f"does not accept the key given: check --dashboard-key or {DASHBOARD_KEY}"
                if self.key
                else f"requires a key: give it by --dashboard-key or {DASHBOARD_KEY}"
            )
            raise NotTestable(f"the dashboard {which} ({answer.asked} was answered {answer.status})")

    def _ask(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str | int] | None = None
    ) -> ApiAnswer:
        target = f"{path}?{urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = self._asker.ask(
                method, f"{self.url}{target}", content=content, headers=None if body is None else _JSON
            )
        except NoAnswer as reason:
            raise TargetUnavailable(f"the dashboard at {self.url} does not answer: {reason}") from reason
        asked = f"{method} {urlsplit(self.url).path}{target}"
        if body is not None:
            asked += f" {json.dumps(body)}"
        return ApiAnswer(asked=asked[:_SHOWN], status=answer.status, text=answer.text)
