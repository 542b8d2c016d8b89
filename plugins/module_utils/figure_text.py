# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A measured value with its unit, as a report shows it."""

from __future__ import annotations

from typing import Any

_SECONDS = ("s", "seconds")
_BYTES = ("bytes", "B")
_SUFFIXES = {
    "percent": " %", "count": "", "per_core": " / core", "per_second": " / s", "per_minute": " / min", "hours": " h", "days": " days",
    "ms": " ms",
}


def figure_text(value: Any, unit: str | None) -> str:
    """Return ``12 ms``, ``37.5 %``, ``4.1 GiB``; '' for None, yes or no for a bool, and text as it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if unit in _SECONDS:
        return _seconds(float(value))
    if unit in _BYTES:
        return bytes_text(float(value))
    if unit == "bytes_per_second":
        return f"{bytes_text(float(value))}/s"
    return f"{_number(float(value))}{_SUFFIXES.get(unit or '', f' {unit}' if unit else '')}"


def limits_text(warning: Any, critical: Any, unit: str | None) -> str:
    """Return ``warning 85 %, critical 95 %``; '' when there is no threshold."""
    named = (("warning", warning), ("critical", critical))
    return ", ".join(f"{name} {figure_text(limit, unit)}" for name, limit in named if limit is not None)


def bytes_text(value: float) -> str:
    """Return ``4.1 GiB``, ``2 KiB`` or ``512 B``: the largest unit of which there is at least one."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024:
            return f"{_number(value)} {unit}"
        value /= 1024
    return f"{_number(value)} PiB"


def _number(value: float) -> str:
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    text = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return text.rstrip("0").rstrip(".")


def _seconds(value: float) -> str:
    if abs(value) < 0.001 and value:
        return f"{value * 1000:.1f} ms"
    if abs(value) < 1:
        return f"{value * 1000:.0f} ms"
    if abs(value) < 120:
        return f"{_number(value)} s"
    if abs(value) < 7200:
        return f"{_number(value / 60)} min"
    return f"{_number(value / 3600)} h"
