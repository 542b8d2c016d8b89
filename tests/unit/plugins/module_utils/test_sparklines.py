"""Sparklines: honest scale, gaps for what is missing, hostile series ignored."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.sparklines import HEIGHT, WIDTH, read_series, sparkline


def series(*values: Any, unit: str = "percent", hours: Any = None) -> dict[str, Any]:
    points = [[f"2026-11-22T{(hours or range(24))[index]:02d}:00:00Z", value] for index, value in enumerate(values)]
    return {"name": "cpu.usage", "unit": unit, "points": points}


def drawn(raw: Any) -> dict[str, Any]:
    read = read_series(raw)
    assert read is not None
    return sparkline(read[2], read[1])


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+) (\S+)", path)]


def test_percent_is_drawn_between_nothing_and_everything() -> None:
    (_first, low), (_second, high) = places(drawn(series(0, 100))["path"])
    assert low > HEIGHT - 4 and high < 4
    (_first, calm), (_second, also) = places(drawn(series(2, 3))["path"])
    assert abs(calm - also) < 1, "a calm figure looks calm"


def test_time_is_to_scale() -> None:
    xs = [x for x, _y in places(drawn(series(1, 1, 1, hours=[0, 1, 10]))["path"])]
    assert xs[2] - xs[1] == pytest.approx(9 * (xs[1] - xs[0]), rel=0.1)


def test_a_missing_value_is_a_gap_and_no_zero() -> None:
    result = drawn(series(50, None, 60, 70))
    assert result["path"].count("M") == 2 and result["path"].count("L") == 1


def test_everything_stays_inside() -> None:
    result = drawn(series(-5, 0, 1e12, 3, unit="bytes"))
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(result["path"]))


def test_the_label_says_the_same_in_words() -> None:
    assert drawn(series(10, 30, 20))["label"] == "now 20 %, lowest 10 %, highest 30 % in 3 measurements over 2 hours"
    assert drawn(series(10))["label"] == "now 10 %, one measurement so far"


@pytest.mark.parametrize(
    "raw",
    [
        None, "x", 7, [], {}, {"name": "a"}, {"name": 1, "points": []}, {"name": "a", "points": []}, {"name": "a", "points": "abc"},
        {"name": "a", "points": [["now", 1]]}, {"name": "a", "points": [["2026-11-22T01:00:00Z", "<svg>"]]},
        {"name": "a", "points": [["2026-11-22T01:00:00Z", float("nan")]]}, {"name": "a", "points": [["2026-11-22T01:00:00Z", True]]},
        {"name": "a", "points": [["2026-11-22T01:00:00Z", None]]}, {"name": "a", "points": [[1, 2, 3], None, "ab"]},
        {"name": "a", "points": [["2026-11-22T01:00:00Z", 10**400]]},
    ],
)
def test_what_cannot_be_drawn_is_left_out(raw: Any) -> None:
    assert read_series(raw) is None


def test_hostile_order_and_length() -> None:
    raw = {"name": "a", "unit": None, "points": [["2026-11-22T02:00:00Z", 1], ["2026-11-22T01:00:00+00:00", 2]] * 500}
    read = read_series(raw)
    assert read is not None and len(read[2]) == 96 and read[2] == sorted(read[2], key=lambda point: point[0])
