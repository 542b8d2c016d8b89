# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The geometry of a sparkline, and the words that say the same to who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

WIDTH = 120
HEIGHT = 28
MAX_POINTS = 96
_MARGIN = 2.5

Point = tuple[datetime, "float | None"]


def read_series(raw: Any) -> tuple[str, str, list[Point]] | None:
    """Return (name, unit, points oldest first) of one entry of ``series``; None when it cannot be drawn.

    :param raw: ``{name, unit, points: [[iso_time, number or None], ...]}`` as a target sent it; points that are no
        such pairs are left out.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("name"), str):
        return None
    listed = raw.get("points")
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        return None
    points = [point for point in map(_read_point, listed[-MAX_POINTS:]) if point is not None]
    if not any(value is not None for _at, value in points):
        return None
    points.sort(key=lambda point: point[0])
    unit = raw.get("unit")
    return plain(raw["name"], 400), plain(unit, 40) if isinstance(unit, str) else "", points


def sparkline(points: Sequence[Point], unit: str) -> dict[str, Any]:
    """Return what an inline SVG needs.

    The line starts at zero and, for percent, ends at 100, so that a calm figure looks calm. A point without a value
    is a gap, not a zero. Time runs to scale, so that a night without runs shows as one long step.

    :param points: oldest first, with at least one value.
    :return: ``width``, ``height``, ``path`` (SVG path data), ``x`` and ``y`` of the newest value, and ``label``.
    """
    values = [value for _at, value in points if value is not None]
    top = max(*values, 0.0, 100.0 if unit == "percent" else 0.0)
    bottom = min(*values, 0.0)
    span = (top - bottom) or 1.0
    begin, end = points[0][0].timestamp(), points[-1][0].timestamp()
    seconds = (end - begin) or 1.0

    def place(point: Point) -> tuple[float, float]:
        value = point[1] or 0.0
        x = _MARGIN + (WIDTH - 2 * _MARGIN) * ((point[0].timestamp() - begin) / seconds if end > begin else 1.0)
        y = HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * (value - bottom) / span
        return round(x, 1), round(y, 1)

    commands: list[str] = []
    pen_down = False
    for point in points:
        if point[1] is None:
            pen_down = False
            continue
        x, y = place(point)
        commands.append(f"{'L' if pen_down else 'M'}{x:g} {y:g}")
        pen_down = True
    x, y = place(next(point for point in reversed(points) if point[1] is not None))
    return {
        "width": WIDTH, "height": HEIGHT, "path": " ".join(commands), "x": x, "y": y, "label": _label(points, unit, values),
    }


def _label(points: Sequence[Point], unit: str, values: Sequence[float]) -> str:
    days = (points[-1][0] - points[0][0]).total_seconds() / 86400
    period = f"{days:.0f} days" if days >= 2 else f"{max(days * 24, 0):.0f} hours"
    now = figure_text(values[-1], unit)
    if len(values) == 1:
        return f"now {now}, one measurement so far"
    low, high = figure_text(min(values), unit), figure_text(max(values), unit)
    return f"now {now}, lowest {low}, highest {high} in {len(values)} measurements over {period}"


def _read_point(raw: Any) -> Point | None:
    if not isinstance(raw, Sequence) or isinstance(raw, (str, bytes)) or len(raw) != 2:
        return None
    value = raw[1]
    if isinstance(value, bool) or not (value is None or isinstance(value, (int, float))):
        return None
    try:
        at = from_iso(str(raw[0]))
        if value is None:
            return at, None
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return (at, number) if math.isfinite(number) else None
