"""What backups take, what each day adds, and for how long there is room."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.storage import free_bytes, growth_per_day, storage_check

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=timezone.utc)
GROUP = Group("app", "", "/backups", ("*",), 1, "content", None, 1, None, ())
MIB = 1024 * 1024


def files(*backups: tuple[float, int]) -> list[BackupFile]:
    """Return backups of (days ago, MiB), newest first."""
    return [BackupFile(f"/backups/{day}", size * MIB, 0, NOW - timedelta(days=day), "name") for day, size in backups]


@pytest.mark.parametrize(
    "backups, expected",
    [
        ([(0, 10), (1, 10), (2, 10)], 10),
        ([(0, 10), (0.5, 10), (1, 10)], 20),
        ([(0, 30), (1, 10), (2, 50)], 20),
        # Weekly and monthly ones that were kept say nothing of what a day adds.
        ([(0, 10), (1, 10), (2, 10), (30, 500), (60, 500)], 10),
        ([(0, 70), (7, 70)], None),
        ([(0, 10)], None),
        ([(0, 10), (0.1, 10)], None),
        ([(-300, 10), (0, 10), (1, 10)], 10),
        ([], None),
    ],
)
def test_what_a_day_adds(backups: list[tuple[float, int]], expected: float | None) -> None:
    found = growth_per_day(files(*backups), NOW)
    assert found == (None if expected is None else pytest.approx(expected * MIB))


@pytest.mark.parametrize(
    "free, status, value, words",
    [
        (300, "ok", 30.0, "3 backups in /backups take 30 MiB, 300 MiB are free; each day adds 10 MiB: room for 30 days"),
        (30, "ok", 3.0, "room for 3 days"),
        (25, "warning", 2.5, "room for 2.5 days"),
        (9, "critical", 0.9, "that is less than one backup (10 MiB)"),
        (0, "critical", 0.0, "less than one backup"),
    ],
)
def test_room_for_days_of_backups(free: int, status: str, value: float, words: str) -> None:
    check = storage_check(GROUP, files((0, 10), (1, 10), (2, 10)), free * MIB, NOW)
    assert (check["status"], check["value"], check["unit"]) == (status, value, "days")
    assert words in check["summary"]
    assert bool(check.get("hint")) is (status != "ok")
    assert check["evidence"]["bytes_per_day"] == 10 * MIB


def test_too_few_backups_to_tell_a_trend_are_not_a_problem() -> None:
    check = storage_check(GROUP, files((0, 10)), 100 * MIB, NOW)
    assert (check["status"], check["value"]) == ("ok", None)
    assert check["summary"] == "1 backup in /backups takes 10 MiB, 100 MiB are free."
    assert storage_check(GROUP, files((0, 10)), 5 * MIB, NOW)["status"] == "critical"


def test_what_nobody_can_look_at_is_unknown(tmp_path: Path) -> None:
    assert free_bytes(str(tmp_path / "none")) is None
    assert (free_bytes(str(tmp_path)) or 0) > 0
    assert storage_check(GROUP, files((0, 10)), None, NOW)["status"] == "unknown"


def test_empty_backups_do_not_divide_by_nothing() -> None:
    assert storage_check(GROUP, files((0, 0), (1, 0)), 10 * MIB, NOW)["status"] == "ok"
