"""What an objective lets fail: counted, remembered over days, judged."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.error_budget import Served, burn_rate, error_budget
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import NOW, check, inspect, line


def write_day(path: Path, day: int, *, requests: int, failed: int, route: str = "/pay") -> None:
    """Write a log of the day so many days before NOW."""
    at = NOW - timedelta(days=day, hours=1)
    lines = [line(at)] * (requests - failed) + [line(at, status=502, request=f"GET {route} HTTP/1.1")] * failed
    path.write_text("".join(lines))
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))


def run(path: Path, state: Path, day: int = 0, **more: Any) -> dict[str, Any]:
    given = {"objective_percent": 99.0, "objective_days": 10, **more}
    return inspect(
        NOW - timedelta(days=day), paths=[str(path)], history=True, state_directory=str(state), return_all=True, **given
    )


def test_days_add_up_and_the_others_are_taken_to_be_like_them(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state"
    for day, failed in ((11, 900), (2, 30), (1, 0)):  # the first lies before the period
        write_day(log, day, requests=1000, failed=failed)
        run(log, state, day)
    write_day(log, 0, requests=2000, failed=50)
    result = run(log, state)
    # 4000 requests on three days are 13 333 in ten, of which one percent may fail; 80 did.
    assert result["groups"][0]["error_budget"] == {
        "objective_percent": 99.0, "period_days": 10, "days": 3, "requests": 4000, "errors": 80, "allowed_errors": 133.3,
        "used_percent": 60.0, "burn_rate": 2.5, "allowed_now": 20.0,
    }  # fmt: skip
    budget, burn = check(result, "access.error_budget"), check(result, "access.error_burn")
    assert (budget["status"], budget["value"], budget["unit"], budget["warning"]) == ("ok", 60.0, "percent", 75.0)
    assert (burn["status"], burn["value"], burn["unit"], burn["critical"]) == ("ok", 2.5, "times", 14.4)
    assert "60 % of the failures that an objective of 99 % allows in 10 days (80 of 133.3, of 3 days known so far)" in budget["summary"]


def test_the_same_day_counts_once(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    write_day(log, 0, requests=1000, failed=5)
    for _run in range(3):
        result = run(log, tmp_path / "state")
    assert result["groups"][0]["error_budget"]["days"] == 1
    assert result["groups"][0]["error_budget"]["used_percent"] == 5.0


@pytest.mark.parametrize(
    ("failed", "expected"), [(29, ("ok", "ok")), (30, ("ok", "warning")), (144, ("critical", "critical"))], ids=str
)
def test_how_fast_it_goes_is_judged_beside_what_is_used(tmp_path: Path, failed: int, expected: tuple[str, str]) -> None:
    write_day(tmp_path / "a.log", 0, requests=1000, failed=failed)
    result = run(tmp_path / "a.log", tmp_path / "state")
    assert (check(result, "access.error_budget")["status"], check(result, "access.error_burn")["status"]) == expected


def test_the_route_that_burns_it_is_named(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    at = NOW - timedelta(hours=1)
    rare = line(at, status=500, request="GET /rare HTTP/1.1")
    log.write_text(line(at, request="GET /items/7 HTTP/1.1") * 900 + line(at, status=503, request="GET /items/8 HTTP/1.1") * 95 + rare * 5)
    result = run(log, tmp_path / "state")
    burn = check(result, "access.error_burn")
    assert "fails 10 times as often as an objective of 99 % allows" in burn["summary"]
    assert "most on GET /items/:number (95)" in burn["summary"]
    assert [(row["route"], row["burn_rate"]) for row in burn["evidence"]["routes"]] == [("GET /items/:number", 9.55), ("GET /rare", 100.0)]


def test_where_less_than_one_failure_is_allowed_nothing_is_judged(tmp_path: Path) -> None:
    write_day(tmp_path / "a.log", 0, requests=500, failed=20)
    result = run(tmp_path / "a.log", tmp_path / "state", objective_percent=99.9, objective_days=1)
    for name in ("access.error_budget", "access.error_burn"):
        row = check(result, name)
        assert row["status"] == "ok" and "is not judged" in row["summary"], row
    # Over more days it allows some, and 20 are too many of them.
    judged = run(tmp_path / "a.log", tmp_path / "state", objective_percent=99.9, objective_days=28)
    assert check(judged, "access.error_budget")["status"] == "critical"
    assert check(judged, "access.error_burn")["status"] == "ok"


def test_without_an_objective_there_is_no_row(tmp_path: Path) -> None:
    write_day(tmp_path / "a.log", 0, requests=1000, failed=100)
    result = run(tmp_path / "a.log", tmp_path / "state", objective_percent=0.0)
    assert not [row for row in result["checks"] if row["check"].startswith("access.error_b")]
    assert "error_budget" not in result["groups"][0] and "burn_rate" not in result["groups"][0]["failing_routes"][0]


def test_no_request_at_all_is_unknown(tmp_path: Path) -> None:
    write_day(tmp_path / "a.log", 5, requests=100, failed=0)
    result = run(tmp_path / "a.log", tmp_path / "state")
    assert {check(result, name)["status"] for name in ("access.error_budget", "access.error_burn")} == {"unknown"}


@pytest.mark.parametrize(
    "row", [{}, {"requests": "x", "error_percent": 1}, {"requests": 5, "error_percent": float("nan")}, {"requests": -1, "error_percent": 1},
            {"requests": 10**300, "error_percent": 1}, {"requests": True, "error_percent": True}, {"requests": 5, "error_percent": 101}],
    ids=str,
)  # fmt: skip
def test_what_was_remembered_and_makes_no_sense_is_left_out(row: dict[str, Any]) -> None:
    budget = error_budget(99.0, 10, Served(1000, 10), "2026-11-28", {"2026-11-27": row, "no date": {"requests": 5, "error_percent": 5}})
    assert (budget.days, budget.requests, budget.used_percent) == (1, 1000, 10.0)


def test_nothing_burns_nothing() -> None:
    assert burn_rate(99.0, Served(0, 0)) == 0.0
    assert error_budget(99.0, 10, Served(0, 0), "2026-11-28", {}).used_percent == 0.0


@pytest.mark.parametrize(
    "wrong", [{"objective_percent": 100.0}, {"objective_days": 0}, {"objective_days": 61}, {"burn_warning_times": 20.0}], ids=str
)
def test_what_is_no_objective_is_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    write_day(tmp_path / "a.log", 0, requests=1, failed=0)
    with pytest.raises(UpkeepError, match=next(iter(wrong))):
        run(tmp_path / "a.log", tmp_path / "state", **wrong)
