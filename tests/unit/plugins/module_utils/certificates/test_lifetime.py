"""Time left: exact to the second, thresholds reached count, the smaller of days and percent applies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.lifetime import (
    Thresholds,
    duration_text,
    lifetime_at,
    read_thresholds,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import NOW

YEAR = timedelta(days=365)


@pytest.mark.parametrize(
    ("left", "days_left", "status"),
    [
        (timedelta(days=31), 31.0, "ok"),
        (timedelta(days=30, seconds=1), 30.000012, "ok"),
        (timedelta(days=30), 30.0, "warning"),
        (timedelta(days=7, seconds=1), 7.000012, "warning"),
        (timedelta(days=7), 7.0, "critical"),
        (timedelta(seconds=1), 0.000012, "critical"),
        (timedelta(0), 0.0, "critical"),
        (timedelta(seconds=-1), -0.000012, "critical"),
        # The manual's script said "expires in 0 days" of this one.
        (timedelta(hours=-12), -0.5, "critical"),
        (timedelta(days=-400), -400.0, "critical"),
    ],
)
def test_time_is_exact_and_a_threshold_that_is_reached_counts(left: timedelta, days_left: float, status: str) -> None:
    lifetime = lifetime_at(NOW, NOW + left - YEAR, NOW + left, Thresholds(30, 7))
    assert (lifetime.days_left, lifetime.status) == (days_left, status)


def test_an_expired_one_is_critical_whatever_the_thresholds() -> None:
    end = NOW - timedelta(seconds=1)
    assert lifetime_at(NOW, end - YEAR, end, Thresholds(0, 0)).status == "critical"
    assert lifetime_at(NOW, NOW - YEAR, NOW + timedelta(seconds=1), Thresholds(0, 0)).status == "ok"


@pytest.mark.parametrize(
    ("whole_days", "warning", "critical"),
    [(365, 30.0, 7.0), (90, 29.7, 7.0), (45, 14.85, 4.5), (6, 1.98, 0.6), (0, 0.0, 0.0)],
)
def test_with_days_and_percent_the_smaller_time_applies(whole_days: int, warning: float, critical: float) -> None:
    limits = Thresholds(30, 7, 33, 10).days_for(timedelta(days=whole_days).total_seconds())
    assert limits == pytest.approx((warning, critical))


def test_without_percent_days_apply_to_the_shortest_lifetime() -> None:
    assert Thresholds(30, 7).days_for(86400.0) == (30, 7)


def test_percent_of_the_lifetime() -> None:
    lifetime = lifetime_at(NOW, NOW - timedelta(days=67), NOW + timedelta(days=33), Thresholds(30, 7))
    assert lifetime.percent_left == 33.0
    assert lifetime_at(NOW, NOW, NOW, Thresholds(30, 7)).percent_left == 0.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"warning_days": 6.0}, "warning_days: 6 is less than critical_days, 7"),
        ({"warning_lifetime_percent": 5.0, "critical_lifetime_percent": 10.0}, "warning_lifetime_percent: 5 is less"),
        ({"warning_days": -1.0}, "warning_days: -1 is not accepted"),
        ({"critical_days": float("nan")}, "critical_days: nan is not accepted"),
        ({"warning_days": float("inf")}, "warning_days: inf is not accepted"),
        ({"warning_lifetime_percent": 101.0}, "warning_lifetime_percent: 101 is not accepted; give 0 to 100"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused_in_words(options: dict[str, Any], given: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as refused:
        read_thresholds({**options, **given})
    assert said in refused.value.message


def test_equal_thresholds_are_accepted(options: dict[str, Any]) -> None:
    assert read_thresholds({**options, "warning_days": 7.0}) == Thresholds(7.0, 7.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (86400 * 12.39, "12.3 days"), (-86400 * 2, "2 days"), (86400 * 1.5, "36 hours"), (-43200, "12 hours"),
        (7199, "119 minutes"), (119, "119 seconds"), (1, "1 second"), (0, "0 seconds"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
