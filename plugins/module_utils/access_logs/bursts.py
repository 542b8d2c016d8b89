# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Minutes that stand out: many more requests, or many more clients, than in the hours around them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_FACTOR = 3.0
_MAX_BURSTS = 500


class Burst(NamedTuple):
    """Minutes in a row that stand out.

    :ivar kind: ``requests``, or ``clients`` when there were many different ones.
    :ivar begin: the first minute since the epoch.
    :ivar minutes: how many they are.
    :ivar peak: the most in one of them.
    :ivar usual: the median of the hours around.
    :ivar score: how many usual deviations the peak is above that.
    """

    kind: str
    begin: int
    minutes: int
    peak: int
    usual: float
    score: float


class Usual(NamedTuple):
    """What figures usually are.

    :ivar median: of the figures.
    :ivar deviation: the median of the deviations from that (MAD), scaled to the standard deviation: a few wild figures do not move it. It
        is taken to be at least the square root of the median, as it is where requests come independently of each other.
    """

    median: float
    deviation: float

    def score(self, value: float) -> float:
        """Return by how many usual deviations a figure is above the median."""
        return (value - self.median) / self.deviation


def usual_of(figures: Sequence[float], *, least: float = 1.0) -> Usual:
    """Return what figures usually are.

    :param figures: at least one.
    :param least: the smallest deviation that is assumed.
    """
    median = statistics.median(figures)
    spread = 1.4826 * statistics.median([abs(figure - median) for figure in figures])
    return Usual(median, max(spread, math.sqrt(max(median, 0.0)), least))


def find_bursts(kind: str, figures: Mapping[int, int], span: range, *, threshold: float, least: int) -> list[Burst]:
    """Return the minutes that stand out, those in a row as one, in the order of time.

    :param figures: by minute since the epoch; one that is missing is 0.
    :param span: the minutes that the log covers.
    :param threshold: the least score.
    :param least: the least figure that can stand out.
    """
    bursts: list[Burst] = []
    known_hour, usual = -1, Usual(0.0, 1.0)
    for minute in sorted(minute for minute, figure in figures.items() if figure >= least and minute in span):
        hour = minute // 60
        if known_hour != hour:
            around = range(max(span.start, (hour - 1) * 60), min(span.stop, (hour + 2) * 60))
            known_hour, usual = hour, usual_of([figures.get(other, 0) for other in around])
        score = usual.score(figures[minute])
        if score < threshold or figures[minute] < _FACTOR * usual.median:
            continue
        last = bursts[-1] if bursts else None
        if last and last.begin + last.minutes == minute:
            higher = figures[minute] > last.peak
            bursts[-1] = Burst(
                kind, last.begin, last.minutes + 1, max(last.peak, figures[minute]),
                usual.median if higher else last.usual, max(last.score, round(score, 1)),
            )  # fmt: skip
        elif len(bursts) < _MAX_BURSTS:
            bursts.append(Burst(kind, minute, 1, figures[minute], usual.median, round(score, 1)))
    return bursts
