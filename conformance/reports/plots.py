"""Plots of a load run over time, as SVG paths. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH, _HEIGHT = 480.0, 150.0
_TICKS = 4
_LATENCIES = ((99, "warn"), (95, "link"), (50, "good"))


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series: ``path`` is SVG path data, ``kind`` names its colour."""

    name: str
    kind: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Series over time on a canvas of 480 × 150.

    ``ticks`` are y coordinates with labels, ``times`` x coordinates with labels; ``limit`` is the y
    coordinate of a horizontal line.
    """

    title: str
    about: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str], ...]
    limit: float | None = None
    limit_label: str = ""


def plots(load: Mapping[str, Any]) -> tuple[Plot, ...]:
    """Return the plots of a load run, without those that have no data."""
    series, step = load["series"], load["series"]["step_s"]
    objective = load["objective"]["p95_ms"]
    candidates = (
        _plot(
            "Rate",
            "requests a second",
            {"due": (series["due"], "soft"), "acknowledged": (series["acknowledged"], "good")}
            | ({"errors": (series["errors"], "bad")} if load["errors"] else {}),
            step,
        ),
        _plot(
            "Latency",
            "ms, from when a request was due",
            {f"p{share}": (series[f"p{share}_ms"], kind) for share, kind in _LATENCIES},
            step,
            limit=(objective, "objective"),
        ),
        _plot(
            "Backlog",
            "events that wait for ClickHouse",
            {"waiting": (_bridged(series["backlog"]), "link")},
            step,
        ),
        _plot(
            "Visibility",
            "ms from acknowledgement to row",
            {"p50": (series["visible_p50_ms"], "good"), "max": (series["visible_max_ms"], "warn")},
            step,
        ),
        _plot(
            "Memory",
            "MB, of the server's processes",
            {"resident": (_bridged(series["memory_mb"]), "link")},
            step,
        ),
    )
    return tuple(plot for plot in candidates if plot)


def _bridged(values: Sequence[float | None]) -> list[float | None]:
    """Return the values with each gap filled by the value before it: they are sampled, not counted."""
    bridged: list[float | None] = []
    for value in values:
        bridged.append(bridged[-1] if value is None and bridged else value)
    return bridged


def _plot(
    title: str,
    about: str,
    lines: Mapping[str, tuple[Sequence[float | None], str]],
    step: float,
    *,
    limit: tuple[float, str] | None = None,
) -> Plot | None:
    known = [value for values, _ in lines.values() for value in values if value is not None]
    if not known:
        return None
    # An objective far above the values would flatten their lines: leave it out.
    shown = limit if limit and limit[0] <= 4 * max(known) else None
    top = _above(max([*known, *([shown[0]] if shown else [])]))
    number = max(len(values) for values, _ in lines.values())
    return Plot(
        title=title,
        about=about,
        lines=tuple(
            Line(name=name, kind=kind, path=_path(values, top)) for name, (values, kind) in lines.items()
        ),
        ticks=tuple((_y(value, top), f"{value:,g}") for value in _round_values(top)),
        times=tuple(
            (_x(second / step, number), f"{second:g} s")
            for second in _round_values(max(number - 1, 1) * step)
            if second / step <= number - 1
        ),
        limit=_y(shown[0], top) if shown else None,
        limit_label=shown[1] if shown else "",
    )


def _path(values: Sequence[float | None], top: float) -> str:
    """Return path data of a line through the values, interrupted at each None."""
    words, pen = [], "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        place = f"{_x(number, len(values)):.1f} {_y(value, top):.1f}"
        words.append(f"{pen}{place}" + ("h0" if pen == "M" else ""))
        pen = "L"
    return "".join(words)


def _x(number: float, count: int) -> float:
    return round(number / max(count - 1, 1) * _WIDTH, 1)


def _y(value: float, top: float) -> float:
    return round(_HEIGHT - value / top * _HEIGHT, 1)


def _above(value: float) -> float:
    """Return the smallest round value that is at least ``value``, for the end of a scale."""
    return _unit(value) * math.ceil(value / _unit(value)) if value > 0 else 1.0


def _round_values(top: float) -> list[float]:
    return [_unit(top) * number for number in range(int(top / _unit(top) + 1e-9) + 1)]


def _unit(top: float) -> float:
    """Return the step of a scale up to ``top``: 1, 2 or 5 times a power of ten, at most 4 steps."""
    power = 10 ** math.floor(math.log10(top / _TICKS))
    return float(next(unit * power for unit in (1, 2, 5, 10) if unit * power * _TICKS >= top))
