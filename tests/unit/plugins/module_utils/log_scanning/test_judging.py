"""What becomes of counts, rates, earlier runs and decisions to ignore."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.baseline import MAX_POINTS, baseline_of, with_point
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.clocks import OutOfTime, elapsed_since, time_limit
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.expressions import read_expression
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.judging import (
    Window,
    errors_check,
    ignore_check,
    new_signatures_check,
    pattern_check,
    readable_check,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.memory import Memory, Point
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import Ignore, Limits, Pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable

NOW = 1_800_000_000.0
HOUR, DAY = Window(60.0), Window(1440.0)


def points(*rates: float) -> tuple[Point, ...]:
    return tuple(Point(NOW - 3600 * (number + 1), rate) for number, rate in enumerate(rates))


@pytest.mark.parametrize(
    ("count", "window", "limits", "status"),
    [
        (0, DAY, Limits(), "ok"),
        (10_000, DAY, Limits(), "ok"),
        (60, HOUR, Limits(warning_per_minute=1.0, critical_per_minute=10.0), "warning"),
        (59, HOUR, Limits(warning_per_minute=1.0), "ok"),
        (600, HOUR, Limits(warning_per_minute=1.0, critical_per_minute=10.0), "critical"),
        (600, Window(None), Limits(warning_per_minute=1.0, critical_per_minute=10.0), "ok"),
        (5, HOUR, Limits(5, 50), "warning"),
        (50, HOUR, Limits(5, 50), "critical"),
        (50, HOUR, Limits(0, 0, 0.0, 0.0), "ok"),
        (5, Window(0.01), Limits(warning_per_minute=10.0), "ok"),
    ],
)
def test_errors_by_count_and_rate(count: int, window: Window, limits: Limits, status: str) -> None:
    row = errors_check("app", count, window, limits, None, least_runs=5)
    assert (row["check"], row["subject"], row["status"]) == ("log.errors", "app", status)
    assert ("hint" in row) is (status != "ok") and "0 of 5" in row["summary"]


@pytest.mark.parametrize(
    ("rates", "count", "status"),
    [
        ((0.1, 0.1, 0.1, 0.1, 0.1), 6, "ok"),
        ((0.1, 0.1, 0.1, 0.1, 0.1), 8, "ok"),
        ((0.1, 0.1, 0.1, 0.1, 0.1), 30, "warning"),
        ((0.0,) * 9, 3, "ok"),
        ((0.0,) * 9, 4, "warning"),
        ((1.0, 2.0, 3.0, 2.0, 1.0, 3.0), 660, "warning"),
        ((1.0, 2.0, 3.0, 2.0, 1.0, 3.0), 300, "ok"),
        ((0.1, 0.1, 0.1, 0.1), 3000, "ok"),
    ],
)
def test_errors_beside_earlier_runs(rates: tuple[float, ...], count: int, status: str) -> None:
    baseline = baseline_of(points(*rates), NOW, factor=6.0)
    row = errors_check("app", count, HOUR, Limits(), baseline, least_runs=5)
    assert row["status"] == status, row
    assert ("unusual:" in row["summary"]) is (status == "warning")
    assert ("not compared" in row["summary"]) is (len(rates) < 5)


def test_only_runs_of_the_last_days_count_and_they_are_bounded() -> None:
    old = Point(NOW - 8 * 86400, 99.0)
    future = Point(NOW + 60, 99.0)
    assert baseline_of((old, future), NOW, factor=6.0) is None
    kept = with_point((old, *points(1.0), future), Point(NOW, 2.0))
    assert [point.per_minute for point in kept] == [1.0, 2.0]
    many = tuple(Point(NOW - 1, 1.0) for _number in range(MAX_POINTS + 10))
    assert len(with_point(many, Point(NOW, 2.0))) == MAX_POINTS
    assert with_point(many, None) == many


@pytest.mark.parametrize(
    ("severity", "limits", "count", "status"),
    [
        ("warning", Limits(), 0, "ok"), ("warning", Limits(), 1, "warning"), ("critical", Limits(), 1, "critical"),
        ("info", Limits(), 99, "ok"), ("critical", Limits(warning_count=5), 4, "ok"), ("critical", Limits(warning_count=5), 5, "warning"),
        ("warning", Limits(critical_per_minute=1.0), 60, "critical"), ("warning", Limits(warning_count=0), 60, "ok"),
    ],
)  # fmt: skip
def test_patterns(severity: str, limits: Limits, count: int, status: str) -> None:
    pattern = Pattern("slow", read_expression("x", None, False, "p."), severity, limits, ())
    row = pattern_check("app", pattern, count, HOUR)
    assert (row["check"], row["subject"], row["status"]) == ("log.pattern", "app/slow", status)


def test_new_signatures() -> None:
    first = new_signatures_check("app", ["a", "b"], 0, Limits(1), first=True, known=0)
    assert first["status"] == "ok" and "first look; 2 kinds" in first["summary"]
    later = new_signatures_check("app", ["boom <n>", "b"], 7, Limits(1, 2), first=False, known=9)
    assert later["status"] == "critical" and later["value"] == 2
    assert "7 error lines of more kinds" in later["summary"] and "boom <n>" in later["summary"]
    assert new_signatures_check("app", [], 0, Limits(1), first=False, known=9)["status"] == "ok"
    assert new_signatures_check("app", ["a"], 0, Limits(None), first=False, known=9)["status"] == "ok"


def test_what_could_not_be_read_is_unknown_and_what_may_be_missing_a_warning() -> None:
    gone = ("/a.log", Unreadable("does not exist", "Correct it."))
    row = readable_check("app", [gone, gone], ["w"], 3)
    assert row["status"] == "unknown" and row["summary"] == "app: /a.log does not exist, and 1 more." and row["hint"] == "Correct it."
    assert readable_check("app", [], ["lines may be missing"], 3)["status"] == "warning"
    assert readable_check("app", [], [], 3)["status"] == "ok"


@pytest.mark.parametrize(
    ("first", "used", "expired", "status", "words"),
    [
        (NOW, 0.0, False, "ok", "ignored until"),
        (NOW - 40 * 86400, 0.0, False, "warning", "no line for 40 days"),
        (NOW - 400 * 86400, NOW - 86400, False, "ok", "ignored until"),
        (NOW, NOW, True, "warning", "expired at 2027-"),
    ],
)
def test_ignores_are_reviewed(first: float, used: float, expired: bool, status: str, words: str) -> None:
    decision = Ignore(read_expression(None, "ECONNRESET", False, "i."), "Browsers do that.", datetime(2027, 1, 1, tzinfo=timezone.utc), ("app",))
    row = ignore_check(decision, first, used, NOW, expired=expired, unused_days=30)
    assert (row["check"], row["subject"], row["status"]) == ("log.ignore", "ECONNRESET in app", status)
    assert words in row["summary"] and "Browsers do that" in row["summary"]


@pytest.mark.parametrize(
    ("written", "clock", "seconds", "said"),
    [
        (None, ("boot", 5000.0), None, ""),
        (NOW - 3600, ("boot", 5000.0), 3600.0, ""),
        (NOW - 3600, ("other", 10.0), 3600.0, ""),
        (NOW + 3600, ("other", 10.0), None, "in the future"),
        (NOW + 3600, ("boot", 5000.0), 3600.0, "set back by 7200 seconds"),
        (NOW - 7200, ("boot", 5000.0), 3600.0, "set forward by 3600 seconds"),
        (NOW - 3650, ("boot", 5000.0), 3600.0, ""),
    ],
)
def test_the_time_since_the_last_run(written: float | None, clock: tuple[str, float], seconds: float | None, said: str) -> None:
    memory = Memory(written=written, clock=("boot", 1400.0))
    found, words = elapsed_since(memory, datetime.fromtimestamp(NOW, timezone.utc), clock)
    assert found == seconds and said in words and bool(said) is bool(words)


def test_an_endless_search_is_ended() -> None:
    expression = read_expression("(a+)+$", None, False, "p.")
    with pytest.raises(OutOfTime), time_limit(0.3):
        expression.found(b"a" * 60 + b"b")
    with time_limit(timedelta(days=1).total_seconds()):
        assert expression.found(b"aaa")
