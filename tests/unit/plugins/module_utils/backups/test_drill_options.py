"""When a drill is due, which backups are tried, and what the last good one was."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_judging import drill_check, drilled_check
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import is_due, known_drills, last_good, read_drill, sampled
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drilling import Drilled
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=timezone.utc)
GROUP = Group("app", "", "/backups", ("app_*.tar",), 1, "drill", None, 1, None, ())


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def record(days: float, status: str = "ok") -> dict[str, Any]:
    return {"drilled": to_iso(ago(days)), "drill_status": status}


@pytest.mark.parametrize(
    "every_days, days, due",
    [
        (7, None, True), (7, 6.8, False), (7, 6.95, True), (7, 8, True), (0, 0.001, True), (7, 0, False), (1, 0.97, True), (7, -30, True),
    ],
)
def test_a_drill_is_due_when_the_last_good_one_is_too_old(every_days: float, days: float | None, due: bool) -> None:
    drills = [] if days is None else [(ago(days), "ok")]
    assert is_due(read_drill({"every_days": every_days}), drills, NOW) is due


@pytest.mark.parametrize(("status", "due"), [("ok", False), ("warning", True), ("unknown", True), ("critical", True)])
def test_a_drill_is_due_after_one_that_found_something(status: str, due: bool) -> None:
    """Otherwise its row would be gone the next day, and people be told that all is well again."""
    drills = known_drills(GROUP, {"/backups/app_2.tar": record(1, status), "/backups/app_1.tar": record(3)})
    assert is_due(read_drill({"every_days": 7}), drills, NOW) is due


def test_the_last_good_drill_of_a_group_is_found_by_its_names_also_of_pruned_backups() -> None:
    records = {
        "/backups/app_1.tar": record(9), "/backups/app_2.tar": record(4, "warning"), "/backups/app_3.tar": record(1, "critical"),
        "/backups/other_1.tar": record(0), "/elsewhere/app_4.tar": record(0), "/backups/app_5.tar": {"status": "ok"},
        "/backups/app_6.tar": {"drilled": "soon", "drill_status": "ok"}, "/backups/app_7.tar": {"drilled": None, "drill_status": ["ok"]},
    }
    assert last_good(known_drills(GROUP, records)) == ago(4)
    assert last_good(known_drills(GROUP, {})) is None
    one = Group("one", "/x/latest.tar", "", (), 1, "drill", None, 1, None, ())
    assert last_good(known_drills(one, {"/x/latest.tar": record(2)})) == ago(2)


def test_the_age_of_the_last_good_drill() -> None:
    drill = read_drill({"max_days": 35})
    cases = [(None, "critical", None), (ago(34.9), "ok", 34.9), (ago(35), "critical", 35.0), (ago(-3), "unknown", -3.0)]
    for last, status, value in cases:
        check = drilled_check(GROUP, drill, last, NOW)
        assert check is not None
        assert (check["status"], check["value"], check["critical"], bool(check.get("hint"))) == (status, value, 35.0, status != "ok")
    never = drilled_check(GROUP, drill, None, NOW)
    assert never is not None and never["summary"] == "No backup was ever restored well; the limit is 35 days."
    assert drilled_check(GROUP, read_drill({"max_days": 0}), None, NOW) is None


@pytest.mark.parametrize(
    "sample, tried",
    [
        (["newest"], ["0"]), (["oldest"], ["4"]), (["newest", "oldest"], ["0", "4"]), (["random"], ["1"]),
        (["newest", "oldest", "random"], ["0", "4", "2"]),
    ],
)
def test_each_backup_is_tried_once(sample: list[str], tried: list[str]) -> None:
    files = [BackupFile(str(day), 1, 0, ago(day), "name") for day in range(5)]
    drill = read_drill({"sample": sample})
    assert [file.path for file in sampled(drill, files, lambda others: others[1])] == tried
    assert [file.path for file in sampled(drill, files[:1], lambda others: others[0])] == ["0"]
    assert sampled(drill, [], lambda others: others[0]) == []


def test_what_a_drill_has_shown_in_words() -> None:
    good = Drilled("/backups/app_1.tar", 12.5, 120, 2048, databases=[{"name": "sql", "tables": 2, "rows": 30}])
    check = drill_check(GROUP, [good])
    assert (check["status"], check["value"], check["unit"]) == ("ok", 12.5, "seconds")
    assert check["summary"] == "app_1.tar was restored in a scratch folder in 12.5 s: 120 members, 2 KiB, sql with 30 rows in 2 tables."
    bad = Drilled("/backups/app_0.tar", 40.0, problems=[("warning", "a dump is missing"), ("critical", "x is empty")])
    check = drill_check(GROUP, [good, bad])
    assert (check["status"], check["value"]) == ("critical", 40.0)
    assert check["summary"] == "app_0.tar: x is empty. 1 more problems."
    assert "backup_drill" in check["hint"]
    unknown = drill_check(GROUP, [Drilled("/b", problems=[("unknown", "there is no room")])])
    assert unknown["status"] == "unknown" and unknown["hint"].startswith("Mend")


@pytest.mark.parametrize(
    "options, words",
    [
        ({"every_days": -1}, "drill.every_days: -1 is not accepted"),
        ({"max_days": float("nan")}, "drill.max_days"),
        ({"directory": "tmp"}, "drill.directory: 'tmp' is not absolute"),
        ({"sample": []}, "drill.sample: an empty list tries nothing"),
        ({"files": ["a/../../etc"]}, "drill.files"),
        ({"dumps": [{"type": "oracle"}]}, "drill.dumps[0].type"),
        ({"timeout_seconds": 0}, "drill.timeout_seconds"),
    ],
)
def test_what_is_not_accepted_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_drill(options)
    assert words in caught.value.message
