"""Figures as people read them."""

from __future__ import annotations

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources import figures


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 100, 0.0), (1, 3, 33.3), (3, 3, 100.0), (5, 3, 100.0), (-1, 3, 0.0), (1, 0, 0.0), (84949, 100000, 84.9)],
)
def test_share(part: float, whole: float, expected: float) -> None:
    assert figures.share(part, whole) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "less than a minute"), (60, "1 minute"), (7199, "1 hour"), (86400, "1 day"), (864000, "10 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert figures.duration_text(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(85.0, "85"), (91.2, "91.2"), (10_000_000.0, "10000000"), (0, "0")])
def test_numbers(value: float, text: str) -> None:
    assert figures.number_text(value) == text


@pytest.mark.parametrize(
    ("warning", "critical", "unit", "text"),
    [
        (85, 95, "percent", "(warning at 85 %, critical at 95 %)"),
        (None, 95, "percent", "(critical at 95 %)"),
        (2.5, None, "per_core", "(warning at 2.5)"),
        (None, None, "percent", "(no threshold)"),
    ],
)
def test_thresholds(warning: float | None, critical: float | None, unit: str, text: str) -> None:
    assert figures.thresholds_text(warning, critical, unit) == text
