"""Which backups are kept, and why: in doubt a backup stays."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pruning import (
    DAMAGED,
    GOOD,
    UNREAD,
    Plan,
    Policy,
    plan_pruning,
    read_policy,
    state_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=timezone.utc)


def backup(moment: datetime) -> BackupFile:
    return BackupFile(f"/b/{moment:%Y%m%dT%H%M%SZ}", 1000, int(moment.timestamp()) * 10**9, moment, "name")


def days_ago(*days: float, now: datetime = NOW) -> list[BackupFile]:
    return [backup(now - timedelta(days=day)) for day in days]


def plan(files: Sequence[BackupFile], policy: Policy, *, now: datetime = NOW, states: dict[int, str] | None = None, **more: Any) -> Plan:
    """Plan with every backup good but those whose number, newest first, ``states`` names."""
    ordered = sorted(files, key=lambda file: file.created, reverse=True)
    known = {file.path: (states or {}).get(number, GOOD) for number, file in enumerate(ordered)}
    return plan_pruning(files, policy, known, now=now, **more)


def removed(made: Plan) -> list[str]:
    return [decision.file.path[3:11] for decision in made.removed]


def reasons(made: Plan) -> list[list[str]]:
    return [decision.reasons for decision in made.decisions]


@pytest.mark.parametrize(
    "days, policy, gone",
    [
        ((0, 1, 2), Policy(last=1), ["20261121", "20261120"]),
        ((0, 1, 2), Policy(last=9), []),
        ((0, 0.1, 1, 1.1, 2), Policy(daily=2), ["20261122", "20261121", "20261120"]),
        ((0, 1, 7, 8, 14, 21), Policy(weekly=2), ["20261121", "20261114", "20261108", "20261101"]),
        ((0, 10, 40, 41, 70, 400), Policy(monthly=3), ["20261112", "20261012", "20251018"]),
        ((0, 100, 400, 800), Policy(yearly=2), ["20260814", "20240913"]),
        ((0, 1, 2, 3, 4), Policy(within_days=2), ["20261119", "20261118"]),
        # The days that have a backup count, not those of the calendar.
        ((0, 90, 180, 270), Policy(daily=3), ["20260225"]),
    ],
)
def test_a_policy_keeps_the_newest_of_each_period(days: tuple[float, ...], policy: Policy, gone: list[str]) -> None:
    assert removed(plan(days_ago(*days), policy)) == gone


def test_a_year_of_days_leaves_days_weeks_and_months_with_their_reasons() -> None:
    made = plan(days_ago(*range(400)), Policy(daily=7, weekly=4, monthly=12))
    kept = [decision.file.path[3:11] for decision in made.kept]
    assert kept == [
        "20261122", "20261121", "20261120", "20261119", "20261118", "20261117", "20261116", "20261115", "20261108", "20261101",
        "20261031", "20260930", "20260831", "20260731", "20260630", "20260531", "20260430", "20260331", "20260228", "20260131",
        "20251231",
    ]
    assert reasons(made)[0] == ["newest verified", "daily 2026-11-22", "weekly 2026-W47", "monthly 2026-11"]
    assert made.decisions[21].reasons == ["weekly 2026-W44"], "1 November is the Sunday of week 44"
    assert len(made.removed) == 400 - len(kept)
    again = plan([decision.file for decision in made.kept], Policy(daily=7, weekly=4, monthly=12))
    assert again.removed == [], "a second run finds nothing more to remove"


def test_without_a_good_backup_nothing_goes() -> None:
    files = days_ago(*range(30))
    made = plan(files, Policy(last=1), states=dict.fromkeys(range(30), UNREAD))
    assert (removed(made), made.newest_good) == ([], None)
    assert removed(plan(files, Policy(last=1), states=dict.fromkeys(range(30), DAMAGED))) == []
    assert removed(plan_pruning(files, Policy(last=1), {}, now=NOW)) == []


def test_the_newest_good_one_and_all_that_are_newer_stay() -> None:
    made = plan(days_ago(*range(6)), Policy(last=1), states={0: UNREAD, 1: DAMAGED, 2: UNREAD})
    assert removed(made) == ["20261118", "20261117"]
    assert reasons(made)[:4] == [
        ["newer than the newest verified", "last 1"], ["newer than the newest verified"], ["newer than the newest verified"],
        ["newest verified"],
    ]


def test_damaged_ones_push_no_good_one_out() -> None:
    """A month of damaged backups must not erase the good ones before it."""
    damaged = {number: DAMAGED for number in range(1, 30)}
    made = plan(days_ago(*range(40)), Policy(last=3, daily=3), states=damaged)
    kept = [decision.file.path[3:11] for decision in made.kept if decision.state == GOOD]
    assert kept == ["20261122", "20261023", "20261022"]
    monthly = plan(days_ago(0, 40, 41, 80), Policy(monthly=2), states={1: DAMAGED, 2: DAMAGED})
    assert reasons(monthly)[1] == ["monthly 2026-10, though damaged: there is no other"]
    assert removed(monthly) == ["20261012"]


def test_unread_ones_count_like_good_ones() -> None:
    """After the record of verified backups was lost, only the newest is known to be good."""
    files = days_ago(*range(10))
    lost = plan(files, Policy(daily=7), states={number: UNREAD for number in range(1, 10)})
    assert removed(lost) == removed(plan(files, Policy(daily=7)))


def test_protected_ones_stay() -> None:
    files = days_ago(0, 1, 2)
    assert removed(plan(files, Policy(last=1), protect=[files[2].path])) == ["20261121"]


def test_the_future_takes_no_place() -> None:
    future = [backup(NOW + timedelta(days=day)) for day in (1, 400, 4000)]
    made = plan([*future, *days_ago(*range(5))], Policy(last=3))
    assert removed(made) == ["20261119", "20261118"]
    assert reasons(made)[:3] == [["dated in the future"]] * 3
    assert made.future == 3
    assert removed(plan(future, Policy(last=1))) == [], "a good one in the future is no newest good one"
    assert removed(plan([backup(NOW + timedelta(minutes=50)), *days_ago(1)], Policy(last=1))) == ["20261121"], "clocks differ a little"


POLICIES = [
    Policy(last=7), Policy(daily=7), Policy(daily=7, weekly=4, monthly=12), Policy(within_days=7), Policy(within_days=30, last=1),
    Policy(yearly=3, daily=1),
]


def places(policy: Policy) -> int:
    """Return how many backups a new one may push out: one for each reason to keep them."""
    return sum(bool(count) for count in astuple(policy))


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("jump", [-20000, -400, -30.5, -1.5, 1.5, 30, 400, 20000], ids=lambda days: f"{days} days")
def test_a_clock_that_jumps_costs_no_more_backups_than_were_made(policy: Policy, jump: int) -> None:
    """One backup a day, pruned each day; the clock jumps for three days and is then set right."""
    files: list[BackupFile] = []
    dated_right: set[str] = set()
    lost = 0
    for day in range(60):
        clock = NOW + timedelta(days=day + (jump if 40 <= day < 43 else 0))
        if day == 40:
            dated_right = {file.path for file in files}
        files.append(backup(clock))
        made = plan(files, policy, now=clock)
        if day >= 40:
            lost += sum(decision.file.path in dated_right for decision in made.removed)
            assert lost <= (day - 39) * places(policy), day
        files = [decision.file for decision in made.kept]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("away", [2, 30, 365, 4000])
def test_a_host_that_was_off_loses_no_more_than_on_any_other_day(policy: Policy, away: int) -> None:
    kept = [decision.file for decision in plan(days_ago(*range(30)), policy).kept]
    new = backup(NOW + timedelta(days=away))
    assert len(plan([new, *kept], policy, now=new.created).removed) <= places(policy)


def test_two_backups_and_a_jump_between_them() -> None:
    assert removed(plan(days_ago(0, 3650), Policy(within_days=7))) == []
    assert removed(plan(days_ago(0, 1, 3650), Policy(within_days=7))) == []


def test_a_random_history_keeps_what_must_stay() -> None:
    chance = random.Random(20261122)
    for _round in range(300):
        files = days_ago(*{chance.randint(-10, 900) + chance.random() for _number in range(chance.randint(1, 60))})
        states = {number: chance.choice([GOOD, UNREAD, DAMAGED]) for number in range(len(files))}
        policy = Policy(*(chance.choice([0, 0, 1, 5]) for _key in range(6)))
        made = plan(files, policy, states=states, now=NOW)
        assert len(made.decisions) == len(files)
        good = [decision for decision in made.decisions if decision.state == GOOD and decision.file.created <= NOW]
        for decision in made.removed:
            assert good and decision.file.created < good[0].file.created
            assert decision.file.created <= NOW
        usable = [one for one in made.decisions if one.state != DAMAGED and one.file.created <= NOW]
        assert [one for one in usable[: policy.last] if not one.reasons] == []


def test_a_record_of_other_bytes_says_nothing() -> None:
    (file,) = days_ago(0)
    record = {"bytes": file.bytes, "mtime_ns": file.mtime_ns, "level": "content", "status": "ok"}
    cases = [
        ({}, GOOD), ({"status": "warning"}, GOOD), ({"status": "critical"}, DAMAGED), ({"status": "unknown"}, UNREAD),
        ({"level": "exists"}, UNREAD), ({"bytes": 999}, UNREAD), ({"mtime_ns": 1}, UNREAD), ({"status": ["ok"]}, UNREAD),
    ]
    for change, expected in cases:
        assert state_of(file, {file.path: {**record, **change}}) == expected, change
    assert state_of(file, {}) == UNREAD


def test_an_empty_policy_is_refused() -> None:
    names = ("last", "daily", "weekly", "monthly", "yearly", "within_days")
    with pytest.raises(UpkeepError, match="keeps nothing: give at least one of keep_last, keep_daily"):
        read_policy({f"keep_{name}": 0 for name in names})
    assert read_policy({**{f"keep_{name}": 0 for name in names}, "keep_daily": 7}) == Policy(daily=7)
