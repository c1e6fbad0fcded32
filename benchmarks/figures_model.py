"""An independent model of the dashboard's figures: counts events one by one, by the clock on the wall."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from reference_server.analytics.filters import Filter
from reference_server.event import EventRow

_MONTHS = {"month": 1, "last_month": 1, "year": 12, "last_year": 12, "12m": 12}
_ONE_DAY, _QUARTER = timedelta(days=1), timedelta(minutes=15)

Money = dict[str, list[Decimal]]


def months_back(day: date, months: int) -> date:
    """Return the same day some months before, or the last one of a shorter month."""
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    for number in range(day.day, 0, -1):
        try:
            return date(year, month, number)
        except ValueError:
            continue
    raise AssertionError


@dataclass(frozen=True, kw_only=True)
class Period:
    """A range of days, or of moments; ``until`` cuts it."""

    name: str
    zone: ZoneInfo
    now: datetime
    first: date
    last: date
    start: datetime
    end: datetime

    def before(self, *, whole: bool = False) -> "Period":
        """Return the period before, until the same time of day if this one is running."""
        length = self.end - self.start
        if self.name in ("realtime", "24h"):
            running = self.start <= self.now < self.end and not whole
            end = self.now - length if running else self.start
            return replace(self, start=self.start - length, end=end)
        back = self._back
        start, end = midnight(back(self.first), self.zone), midnight(back(self.last + _ONE_DAY), self.zone)
        if self.name not in _MONTHS:
            end = self.start
        here = self.now.astimezone(self.zone)
        if self.start <= self.now < self.end and not whole:
            same = datetime.combine(back(here.date()), here.time().replace(fold=0), tzinfo=self.zone)
            end = min(end, max(start, same.astimezone(UTC)))
        last = (end - timedelta(microseconds=1)).astimezone(self.zone).date()
        return replace(self, start=start, end=end, first=back(self.first), last=last)

    def _back(self, day: date) -> date:
        if self.name in _MONTHS:
            return months_back(day, _MONTHS[self.name])
        return day - timedelta(days=(self.last - self.first).days + 1)

    def step(self, moment: datetime, interval: str) -> object:
        """Return what identifies the step of a moment."""
        if interval == "minute":
            return moment.replace(second=0, microsecond=0)
        if interval == "hour":
            return self.start + (moment - self.start) // timedelta(hours=1) * timedelta(hours=1)
        day = moment.astimezone(self.zone).date()
        if interval == "week":
            return day.isocalendar()[:2]
        return (day.year, day.month) if interval == "month" else day

    def steps(self, interval: str) -> list[object]:
        """Return the steps in order: those of every quarter of an hour, once."""
        apart = timedelta(minutes=1) if interval == "minute" else _QUARTER
        moments = [self.start]
        while (following := moments[-1] + apart) < self.end:
            moments.append(following)
        moments.append(self.end - timedelta(microseconds=1))
        return list(dict.fromkeys(self.step(moment, interval) for moment in moments))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


class Model:
    """Events, and the moment of the request."""

    def __init__(self, rows: list[EventRow], now: datetime) -> None:
        self._rows = rows
        self.now = now

    def period(self, name: str, zone: str, first: date, last: date) -> Period:
        """Return a period by its name; days are those of a custom one."""
        local = ZoneInfo(zone)
        today = self.now.astimezone(local).date()
        start = end = self.now
        if name == "realtime":
            start = self.now - timedelta(minutes=30)
        elif name == "24h":
            end = datetime(2000, 1, 1, tzinfo=UTC)
            end += ((self.now - end) // _QUARTER + 1) * _QUARTER  # Of the quarter that contains the moment.
            start = end - _ONE_DAY
        else:
            first, last = _days(name, today, first, last)
            start, end = midnight(first, local), midnight(last + _ONE_DAY, local)
        return Period(name=name, zone=local, now=self.now, first=first, last=last, start=start, end=end)

    def of(self, period: Period, by: Filter) -> "Seen":
        """Return the events of a period that a filter selects."""
        everything = [row for row in self._rows if period.start <= row.timestamp < period.end]
        return Seen([row for row in everything if _matches(row, by)], everything, period, by)


def _days(name: str, today: date, first: date, last: date) -> tuple[date, date]:
    match name:
        case "today":
            return today, today
        case "yesterday":
            return today - _ONE_DAY, today - _ONE_DAY
        case "7d" | "14d" | "30d":
            return today - timedelta(days=int(name[:-1]) - 1), today
        case "month":
            following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
            return today.replace(day=1), following - _ONE_DAY
        case "last_month":
            end = today.replace(day=1) - _ONE_DAY
            return end.replace(day=1), end
        case "year":
            return date(today.year, 1, 1), date(today.year, 12, 31)
        case "last_year":
            return date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)
        case "12m":
            return months_back(today.replace(day=1), 11), today
    return first, last


def _matches(row: EventRow, by: Filter) -> bool:
    pairs = list(zip(row.meta_keys, row.meta_values, strict=True))
    if by and row.type != "custom":
        return False
    return (by.event is None or row.name == by.event) and all(pair in pairs for pair in by.properties)


class Seen:
    """The selected events of a period, and all of them."""

    def __init__(self, rows: list[EventRow], everything: list[EventRow], period: Period, by: Filter) -> None:
        self._rows, self._all, self._period, self._by = rows, everything, period, by
        self._custom = [row for row in rows if row.type == "custom"]

    def kpis(self, goals: Iterable[str]) -> dict[str, float]:
        """Return the KPIs by key."""
        if self._by:
            rate = percent(len(self._custom), _visitors(self._all))
            return {"visitors": _visitors(self._rows), "events": len(self._custom), "conversion_rate": rate}
        done = [row for row in self._custom if row.name in set(goals)]
        return {
            "visitors": _visitors(self._rows),
            "pageviews": sum(row.type == "pageview" for row in self._rows),
            "events": len(self._custom),
            "conversions": len(done),
            "conversion_rate": percent(len(done), _visitors(self._rows)),
            **{key: _of_sessions(key, _sessions(self._rows)) for key in _SESSION_KEYS},
        }

    def revenue(self) -> dict[str, tuple[Decimal, int, Decimal]]:
        """Return sum, number and average by currency."""
        return {
            currency: (sum(amounts, Decimal(0)), len(amounts), _average(amounts))
            for currency, amounts in _money(self._custom).items()
        }

    def goals(self, names: Iterable[str]) -> dict[str, tuple[object, ...]]:
        """Return conversions, visitors, rate and revenue by goal."""
        found: dict[str, tuple[object, ...]] = {}
        for name in names:
            if self._by.event not in (None, name):
                continue
            rows = [row for row in self._custom if row.name == name]
            sums = tuple((code, sum(amounts, Decimal(0))) for code, amounts in sorted(_money(rows).items()))
            found[name] = (len(rows), _visitors(rows), percent(len(rows), _visitors(self._all)), sums)
        return found

    def events(self) -> dict[str, tuple[object, ...]]:
        """Return count, visitors and revenue by name."""
        grouped = defaultdict(list)
        for row in self._custom:
            grouped[row.name].append(row)
        return {
            name: (
                len(rows),
                _visitors(rows),
                tuple((code, sum(amounts, Decimal(0))) for code, amounts in sorted(_money(rows).items())),
            )
            for name, rows in grouped.items()
        }

    def values(self, name: str, key: str) -> dict[str, tuple[object, ...]]:
        """Return count, visitors and revenue by value of a property."""
        counts: Counter[str] = Counter()
        rows_of = defaultdict(list)
        for row in self._custom:
            if row.name != name:
                continue
            own = [v for k, v in zip(row.meta_keys, row.meta_values, strict=True) if k == key]
            counts.update(own)
            for value in set(own):
                rows_of[value].append(row)
        return {
            value: (
                count,
                _visitors(rows_of[value]),
                tuple(
                    (code, sum(amounts, Decimal(0)), len(amounts))
                    for code, amounts in sorted(_money(rows_of[value]).items())
                ),
            )
            for value, count in counts.items()
        }

    def series(self, metric: str, interval: str, goals: Iterable[str]) -> list[float]:
        """Return the values of a metric, step by step."""
        steps = self._period.steps(interval)
        if metric in _SESSION_KEYS:
            begun: dict[object, list[list[EventRow]]] = defaultdict(list)
            for session in _sessions(self._rows):
                begun[self._period.step(session[0].timestamp, interval)].append(session)
            return [_of_sessions(metric, begun.get(step, [])) for step in steps]
        here: dict[object, list[EventRow]] = defaultdict(list)
        everybody: dict[object, list[EventRow]] = defaultdict(list)
        for rows, into in ((self._rows, here), (self._all, everybody)):
            for row in rows:
                into[self._period.step(row.timestamp, interval)].append(row)
        return [self._value(metric, here.get(s, []), everybody.get(s, []), set(goals)) for s in steps]

    def _value(self, metric: str, rows: list[EventRow], everybody: list[EventRow], goals: set[str]) -> float:
        custom = [row for row in rows if row.type == "custom"]
        done = custom if self._by else [row for row in custom if row.name in goals]
        return {
            "visitors": _visitors(rows),
            "pageviews": len(rows) - len(custom),
            "events": len(custom),
            "conversions": len(done),
            "conversion_rate": percent(len(done), _visitors(everybody)),
        }[metric]


_SESSION_KEYS = ("views_per_visit", "bounce_rate", "duration")


def _sessions(rows: list[EventRow]) -> list[list[EventRow]]:
    found = defaultdict(list)
    for row in rows:
        if row.session_id:
            found[row.session_id].append(row)
    return list(found.values())


def _of_sessions(key: str, sessions: list[list[EventRow]]) -> float:
    viewing = [s for s in sessions if any(row.type == "pageview" for row in s)]
    if key == "views_per_visit":
        views = sum(row.type == "pageview" for s in viewing for row in s)
        return round(views / len(viewing), 2) if viewing else 0.0
    if key == "bounce_rate":
        return percent(sum(len(s) == 1 for s in viewing), len(viewing))
    seconds = sum((s[-1].timestamp - s[0].timestamp) // timedelta(milliseconds=1) for s in sessions) / 1000
    return round(seconds / len(sessions), 2) if sessions else 0.0


def _visitors(rows: Iterable[EventRow]) -> int:
    return len({row.visitor_id for row in rows})


def _money(rows: Iterable[EventRow]) -> Money:
    found: Money = {}
    for row in rows:
        if row.revenue_source_amount is not None:
            found.setdefault(row.revenue_source_currency, []).append(row.revenue_source_amount)
    return found


def _average(amounts: list[Decimal]) -> Decimal:
    return (sum(amounts, Decimal(0)) / len(amounts)).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


def percent(part: float, whole: float) -> float:
    """Return a part in percent of the whole, rounded to two places."""
    return round(100 * part / whole, 2) if whole else 0.0
