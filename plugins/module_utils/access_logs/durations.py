# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long requests took: classes of durations, and the percentiles that follow from how many are in each.

A duration below 128 ms has a class of its own for each millisecond. Above, a class is two percent wide, so that a percentile
is right within one percent, and any number of requests takes the same room.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate

_EXACT = 128
_STEP = math.log(1.02)
_MAX_MILLISECONDS = 86_400_000.0
_MAX_REMEMBERED = 50_000
_MAX_REMEMBERED_CHARACTERS = 100
#: The class of what is no duration, such as ``-``.
NONE = -1
PERCENTILES = (50, 75, 90, 95, 99)

#: What one unit of a variable is, in milliseconds.
SCALES = {"request_time_ms": 1.0, "request_time_us": 0.001}
SECONDS_SCALE = 1000.0


class DurationClasses(dict):  # type: ignore[type-arg]
    """The class of each duration by its text; those of late are remembered. A list of durations is their sum."""

    def __init__(self, milliseconds: float = SECONDS_SCALE) -> None:
        super().__init__()
        self._milliseconds = milliseconds

    def __missing__(self, text: str) -> int:
        if len(self) > _MAX_REMEMBERED:
            self.clear()
        found = class_of(text, self._milliseconds)
        if len(text) <= _MAX_REMEMBERED_CHARACTERS:
            self[text] = found
        return found


def class_of(text: str, milliseconds: float = SECONDS_SCALE) -> int:
    """Return the class of a duration.

    :param text: a number, or several (``0.1, 0.2`` or ``0.1 : -``), one for each server that was asked.
    :param milliseconds: how many of them one unit is.
    """
    total, found = 0.0, False
    for part in text.replace(":", ",").split(","):
        try:
            value = float(part)
        except ValueError:
            continue
        if math.isfinite(value) and value >= 0:
            total, found = total + value, True
    if not found:
        return NONE
    amount = min(total * milliseconds, _MAX_MILLISECONDS)
    if amount < _EXACT:
        return round(amount)
    return _EXACT + int(math.log(amount / _EXACT) / _STEP)


def seconds_of(duration_class: int) -> float:
    """Return the duration in the middle of a class."""
    if duration_class <= _EXACT:
        return duration_class / 1000
    return round(_EXACT * math.exp((duration_class - _EXACT + 0.5) * _STEP) / 1000, 4)


def percentiles(classes: Mapping[int, int]) -> dict[str, float | int | None]:
    """Return ``p50`` to ``p99`` and ``max`` in seconds, and of how many requests; None where there was none.

    The percentile p is the duration that p of a hundred requests did not exceed (nearest rank).

    :param classes: how many requests are in each class.
    """
    keys = sorted(key for key, number in classes.items() if key != NONE and number > 0)
    until = list(accumulate(map(classes.__getitem__, keys)))
    total = until[-1] if until else 0
    answer: dict[str, float | int | None] = {"requests": total}
    for percent in PERCENTILES:
        rank = max(1, math.ceil(total * percent / 100))
        answer[f"p{percent}"] = seconds_of(keys[bisect_left(until, rank)]) if total else None
    answer["max"] = seconds_of(keys[-1]) if keys else None
    return answer


def add_classes(into: dict[int, int], more: Iterable[tuple[int, int]]) -> None:
    """Add the numbers of some classes to those of others."""
    for key, number in more:
        into[key] = into.get(key, 0) + number
