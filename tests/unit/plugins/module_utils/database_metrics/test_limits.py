"""Thresholds: their names, their order, and which side is worse."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, Rules, low_grade
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.limits import read_limits, threshold_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


def test_the_options_carry_their_units_and_zero_is_off() -> None:
    assert threshold_options()["queries_warning_seconds"] == {"type": "float", "default": 300.0}
    limits = read_limits({"queries_warning_seconds": 5, "queries_critical_seconds": 0, "deadlocks_warning_count": None})
    assert limits["queries"] == (5.0, None, "seconds") and limits["deadlocks"] == (1, None, "count")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"queries_warning_seconds": 4000}, "thresholds.queries_warning_seconds: 4000 is above thresholds.queries_critical_seconds, which is 3600"),
        ({"cache_hits_critical_percent": 90}, "thresholds.cache_hits_warning_percent: 80 is below thresholds.cache_hits_critical_percent"),
        ({"connections_warning_percent": 101}, "thresholds.connections_warning_percent: 101 is not accepted; give 0 to 100"),
        ({"deadlocks_warning_count": -1}, "thresholds.deadlocks_warning_count: -1 is not accepted"),
        ({"bloat_warning_percent": float("nan")}, "thresholds.bloat_warning_percent: nan is not accepted"),
    ],
)
def test_what_is_not_accepted_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_limits(given)
    assert said in caught.value.message


@pytest.mark.parametrize(("value", "status"), [(80.1, "ok"), (80.0, "warning"), (50.0, "critical"), (0.0, "critical")])
def test_less_is_worse_for_hits(value: float, status: str) -> None:
    assert low_grade(value, 80.0, 50.0) == status
    assert low_grade(value, None, None) == "ok"


def test_what_is_not_judged_says_why_and_a_finding_has_its_hint() -> None:
    judged = Judged("postgresql shop", Rules(read_limits({})))
    judged.add("rollbacks", 100.0, "All were rolled back", judged=False, least="too few to judge", hint="Look.")
    judged.add("rollbacks", 100.0, "All were rolled back", hint="Look.")
    quiet, loud = judged.checks
    assert (quiet["status"], quiet["summary"], quiet.get("hint")) == ("ok", "All were rolled back; too few to judge.", None)
    assert (loud["status"], loud["summary"], loud["hint"]) == ("warning", "All were rolled back (warning 20 %).", "Look.")
