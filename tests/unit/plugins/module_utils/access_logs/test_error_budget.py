"""What an objective lets fail: counted by the hour, remembered, added up, judged."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.error_budget import (
    Served,
    add_hours,
    burn_rate,
    error_budget,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.remembering import read_served
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import NOW, check, inspect, line

HOUR = int(NOW.timestamp()) // 3600
BOTH = ("access.error_budget", "access.error_burn")


def write_log(path: Path, *served: tuple[float, int, int]) -> Path:
    """Write a log.

    :param served: how many hours before NOW, how many requests, and how many of them failed.
    """
    text = ""
    for hours, requests, failed in sorted(served, reverse=True):
        at = NOW - timedelta(hours=hours)
        text += line(at) * (requests - failed) + line(at, status=502, request="GET /pay HTTP/1.1") * failed
    path.write_text(text)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return path


def run(path: Path, state: Path, hours_ago: float = 0, **more: Any) -> dict[str, Any]:
    given = {"objective_percent": 99.0, "objective_days": 10, "paths": [str(path)], **more}
    return inspect(NOW - timedelta(hours=hours_ago), history=True, state_directory=str(state), return_all=True, **given)


def budget_of(result: dict[str, Any]) -> dict[str, Any]:
    return dict(result["groups"][0]["error_budget"])


def statuses(result: dict[str, Any]) -> tuple[str, str]:
    return check(result, BOTH[0])["status"], check(result, BOTH[1])["status"]


def test_hours_of_earlier_runs_add_up(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state"
    for day, failed in ((11, 900), (2, 30), (1, 0)):  # the first lies before the period
        write_log(log, (24 * day + 1, 1000, failed), (24 * day + 23.5, 1, 0))
        run(log, state, 24 * day)
    write_log(log, (1, 2000, 50), (23.5, 1, 0))
    result = run(log, state)
    # The log of a day tells everything from its first line on: 24 hours are known each time. 4003 requests in three days are
    # 13 343 in ten, of which one percent may fail; 80 did.
    assert budget_of(result) == {
        "objective_percent": 99.0, "period_days": 10, "known_days": 3.0, "requests": 4003, "errors": 80, "allowed_errors": 133.4,
        "used_percent": 60.0, "burn_rate": 2.5, "present_known": True,
    }  # fmt: skip
    budget, burn = (check(result, name) for name in BOTH)
    assert (budget["status"], budget["value"], budget["unit"], budget["warning"], budget["critical"]) == ("ok", 60.0, "percent", 75.0, 100.0)
    assert (burn["status"], burn["value"], burn["unit"], burn["warning"], burn["critical"]) == ("ok", 2.5, "times", 3.0, 7.0)
    assert "used 60 % of the failures that an objective of 99 % allows in 10 days: 80 of about 133; 3 of these days are known" in budget["summary"]


def test_runs_that_overlap_count_an_hour_once_and_none_takes_away_what_another_saw(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state"
    write_log(log, (24, 1000, 50), (1.5, 1000, 0), (0.25, 10, 0))
    run(log, state, 11.5)  # noon; the failures are of the hour before
    run(log, state, 11)
    run(log, state, 0.5, since_hours=1)  # the same date, another window
    result = run(log, state)
    assert (budget_of(result)["requests"], budget_of(result)["errors"]) == (2010, 50)


def test_of_an_hour_seen_in_two_parts_the_larger_one_counts() -> None:
    whole = add_hours({1: Served(5, 0), 2: Served(9, 3)}, {1: Served(53, 2), 2: Served(9, 1), 3: Served(0, 0)})
    assert whole == {1: Served(53, 2), 2: Served(9, 3), 3: Served(0, 0)}


@pytest.mark.parametrize(("days", "counts"), [(9.99, True), (10.01, False)])
def test_the_period_ends_with_the_present_hour(days: float, counts: bool) -> None:
    hours = {HOUR: Served(1000, 1), HOUR - int(24 * days): Served(1000, 5)}
    assert error_budget(99.0, 10, Served(1000, 1), HOUR, hours).errors == (6 if counts else 1)
    assert error_budget(99.0, 10, Served(1000, 1), HOUR, {HOUR + 1: Served(7, 7), **hours}).errors == (6 if counts else 1)


@pytest.mark.parametrize(
    ("failed", "expected"),
    [(29, ("ok", "ok")), (30, ("warning", "warning")), (39, ("warning", "warning")), (70, ("critical", "critical"))],
    ids=str,
)
def test_both_are_judged(tmp_path: Path, failed: int, expected: tuple[str, str]) -> None:
    """Of 1000 requests in 24 known hours 1 percent may fail each day, and 40 in four days."""
    result = run(write_log(tmp_path / "a.log", (1, 999, failed), (23.5, 1, 0)), tmp_path / "state", objective_days=4)
    assert statuses(result) == expected
    assert budget_of(result)["used_percent"] == failed * 2.5


def test_the_route_that_burns_it_is_named(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    at = NOW - timedelta(hours=1)
    rare = line(at, status=500, request="GET /rare HTTP/1.1")
    log.write_text(line(at, request="GET /items/7 HTTP/1.1") * 900 + line(at, status=503, request="GET /items/8 HTTP/1.1") * 95 + rare * 5)
    burn = check(run(log, tmp_path / "state"), "access.error_burn")
    assert "fails 10 times as often as an objective of 99 % allows" in burn["summary"]
    assert "most on GET /items/:number (95)" in burn["summary"]
    assert [(row["route"], row["burn_rate"]) for row in burn["evidence"]["routes"]] == [("GET /items/:number", 9.55), ("GET /rare", 100.0)]


def test_a_quiet_day_takes_nothing_away(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state"
    assert statuses(run(write_log(log, (25, 1000, 600)), state, 24, objective_days=2))[0] == "critical"
    for requests in (0, 5):
        write_log(log, (25, 1000, 0), (2, requests, 0))
        result = run(log, state, 0, objective_days=2, min_requests=0, since_hours=20)
        assert statuses(result) == ("critical", "ok"), result["checks"]


@pytest.mark.parametrize(("failed", "status"), [(2, "ok"), (3, "critical")])
def test_one_or_two_failures_say_nothing(tmp_path: Path, failed: int, status: str) -> None:
    result = run(write_log(tmp_path / "a.log", (1, 100, failed)), tmp_path / "state", objective_percent=99.99, objective_days=1)
    assert statuses(result) == (status, status)
    assert ("fewer than 3 failures are too few to judge" in check(result, BOTH[0])["summary"]) == (failed < 3)


def test_few_requests_are_not_judged(tmp_path: Path) -> None:
    result = run(write_log(tmp_path / "a.log", (1, 99, 50)), tmp_path / "state")
    assert statuses(result) == ("ok", "ok") and "too few to judge" in check(result, BOTH[0])["summary"]
    # The period has more of them.
    result = run(write_log(tmp_path / "a.log", (1.5, 50, 25)), tmp_path / "state", objective_days=1)
    assert statuses(result) == ("critical", "ok")


@pytest.mark.parametrize("damage", ["missing file", "unparsed lines"])
def test_what_could_not_be_read_is_not_known(tmp_path: Path, damage: str) -> None:
    log, state = write_log(tmp_path / "a.log", (1, 1000, 0)), tmp_path / "state"
    if damage == "missing file":
        result = run(log, state, paths=[str(log), str(tmp_path / "b.log")])
    else:
        log.write_text(log.read_text() + "rubbish\n" * 300)
        result = run(log, state)
    assert (budget_of(result)["known_days"], budget_of(result)["requests"]) == (0, 0)
    assert read_served(json.loads((state / "access_logs.json").read_text())["groups"][str(log)]["served"]) == {}
    assert check(result, BOTH[0])["status"] == "unknown" and "nothing is known of the present time" in check(result, BOTH[0])["summary"]


@pytest.mark.parametrize(("failed", "status"), [(10, "unknown"), (600, "critical")])
def test_what_is_known_of_earlier_days_may_be_too_much_already(tmp_path: Path, failed: int, status: str) -> None:
    """Today's file is missing, and then its log is silent where it should not be."""
    log, state = tmp_path / "a.log", tmp_path / "state"
    run(write_log(log, (25, 1000, failed)), state, 24, objective_days=2)
    missing = run(log, state, objective_days=2, paths=[str(log), str(tmp_path / "b.log")])
    silent = run(write_log(log, (25, 1000, 0)), state, objective_days=2, since_hours=20)
    assert [check(result, BOTH[0])["status"] for result in (missing, silent)] == [status, status]


def test_without_an_objective_there_is_no_row_and_hours_are_kept_for_one(tmp_path: Path) -> None:
    log, state = write_log(tmp_path / "a.log", (1, 1000, 100)), tmp_path / "state"
    result = run(log, state, objective_percent=0.0)
    assert not [row for row in result["checks"] if row["check"] in BOTH]
    assert "error_budget" not in result["groups"][0] and "burn_rate" not in result["groups"][0]["failing_routes"][0]
    kept = json.loads((state / "access_logs.json").read_text())["groups"][str(log)]["served"]
    assert kept == {str(HOUR - 1): [1000, 100]}


def test_no_request_at_all_is_unknown(tmp_path: Path) -> None:
    result = run(write_log(tmp_path / "a.log", (120, 100, 0)), tmp_path / "state")
    assert statuses(result) == ("unknown", "unknown")


def test_what_was_kept_and_makes_no_sense_is_left_out() -> None:
    record = {
        "1": [5, 1], "2": [5, 6], "3": [-1, -1], "4": [5, -1], "5": [5, 1.0], "6": [True, False], "7": [5], "8": "55", "9": [1 << 60, 0],
        "x": [5, 1], "12345678": [5, 1], "\u00b2": [5, 1],
    }  # fmt: skip
    assert read_served(record) == {1: Served(5, 1)}
    assert read_served([1]) == read_served(None) == {}


@pytest.mark.parametrize(
    "kept",
    [
        '{"days": {"2026-11-27": {"requests": 1e999}}}',
        '{"days": {"2026-11-27T00:00:00+00:00": {"requests": 1}}}',
        '{"days": {"x": {"requests": 1}, "2026-11-27": {"requests": 1}}}',
        '{"hours": {"1": 1e999}, "served": {"1": [1e999, 0]}}',
    ],
)
def test_a_file_that_others_wrote_neither_ends_the_run_nor_the_history(tmp_path: Path, kept: str) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "access_logs.json").write_text('{"schema": 1, "groups": {"other": %s}}' % kept)
    log = write_log(tmp_path / "a.log", (1, 1000, 0))
    assert run(log, state)["status"] == "ok"
    assert "2026-11-28" in json.loads((state / "access_logs.json").read_text())["groups"][str(log)]["days"]


def test_many_requests_and_a_strict_objective_are_counted_exactly() -> None:
    hours = {HOUR - number: Served(10_000_000, 49) for number in range(28 * 24)}
    budget = error_budget(99.9999, 28, Served(240_000_000, 24 * 49), HOUR, hours)
    assert (budget.known_days, budget.errors, budget.used_percent, budget.burn_rate) == (28.0, 28 * 24 * 49, 490.0, 4.9)


def test_nothing_burns_nothing() -> None:
    assert burn_rate(99.0, Served(0, 0)) == 0.0
    assert error_budget(99.0, 10, Served(0, 0), HOUR, {}).used_percent == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"objective_percent": 100.0}, {"objective_percent": 0.999}, {"objective_days": 0}, {"objective_days": 43}, {"burn_warning_times": 20.0}],
    ids=str,
)
def test_what_is_no_objective_is_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(UpkeepError, match=next(iter(wrong))):
        run(write_log(tmp_path / "a.log", (1, 1, 0)), tmp_path / "state", **wrong)
