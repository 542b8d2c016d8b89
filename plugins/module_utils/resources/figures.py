# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures as people read them, and the part of a sentence that says which thresholds applied."""

from __future__ import annotations

_UNITS = {"percent": " %", "per_core": "", "per_second": "", "count": ""}


def share(part: float, whole: float) -> float:
    """Return ``part`` of ``whole`` in percent, 0 to 100, to one decimal; 0 when there is no whole.

    The rounded figure is the one that is graded, so that a summary never says 85 % below a threshold of 85 %.
    """
    return round(min(100.0, max(0.0, 100.0 * part / whole)), 1) if whole > 0 else 0.0


def duration_text(seconds: float) -> str:
    """Return ``12 days``, ``3 hours`` or ``5 minutes``: the largest unit that is whole at least once."""
    for length, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"


def number_text(value: float) -> str:
    """Return a figure without a trailing ``.0``."""
    return str(int(value)) if float(value).is_integer() else str(value)


def thresholds_text(warning: float | None, critical: float | None, unit: str) -> str:
    """Return ``(warning at 85 %, critical at 95 %)``, or that there is no threshold."""
    named = [(name, limit) for name, limit in (("warning", warning), ("critical", critical)) if limit is not None]
    if not named:
        return "(no threshold)"
    return "(" + ", ".join(f"{name} at {number_text(limit)}{_UNITS[unit]}" for name, limit in named) + ")"
