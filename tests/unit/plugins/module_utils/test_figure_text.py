"""Figures as people read them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text, limits_text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "percent", ""), (True, None, "yes"), (False, None, "no"), ("text", "s", "text"), (0, "percent", "0 %"),
        (37.5, "percent", "37.5 %"), (99.99, "percent", "100 %"), (0.0004, "s", "0.4 ms"), (0.012, "s", "12 ms"), (1.25, "s", "1.25 s"),
        (0, "s", "0 ms"), (300, "s", "5 min"), (10_000, "s", "2.78 h"), (512, "bytes", "512 B"), (4.4e9, "bytes", "4.1 GiB"),
        (1023, "B", "1023 B"), (3 * 2**50, "bytes", "3 PiB"),
        (2048, "bytes_per_second", "2 KiB/s"), (3, "count", "3"), (0.42, "per_core", "0.42 / core"), (1.5, "per_minute", "1.5 / min"), (26, "hours", "26 h"),
        (5, "frogs", "5 frogs"), (5, None, "5"), (1e300, "", "1e+300"),
    ],
)
def test_figure(value: Any, unit: str | None, text: str) -> None:
    assert figure_text(value, unit) == text


def test_limits() -> None:
    assert limits_text(1, 5, "s") == "warning 1 s, critical 5 s"
    assert limits_text(None, 5, "s") == "critical 5 s"
    assert limits_text(None, None, "s") == ""
