"""Exercises of incidents as they are written down, and how long ago the last one was; the module as Ansible runs it."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import heartbeat_path
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

TODAY = datetime.now(timezone.utc).date()
WHAT = {"exercise": "EX-3", "scenario": "The key of the deploy user was stolen", "participants": ["the person on call"]}
CAME_OF_IT = {
    "state": "held", "held": str(TODAY), "findings": ["Nobody knew the number of the hosting provider."],
    "actions": [{"action": "Put it into the contacts", "owner": "the team lead", "due": str(TODAY + timedelta(days=30))}],
}  # fmt: skip


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def run(reports: Path, **options: Any) -> dict[str, Any]:
    return run_module("incident_exercise", {"directory": str(reports), "platform": "Shop", **options})


def last(reports: Path, **options: Any) -> dict[str, Any]:
    """Return the check of the last exercise."""
    answer = run(reports, selftest_warning_days=0, **options)
    (row,) = answer["checks"]
    assert (row["check"], row["subject"], answer["changed"], answer["status"]) == ("security.exercise", "Shop", False, row["status"])
    return dict(row)


def lines(reports: Path, exercise: str = "EX-3") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (reports / "exercises" / exercise / "custody.jsonl").read_bytes().splitlines()]


def test_planned_held_and_told(reports: Path) -> None:
    never = last(reports)
    assert never["status"] == "warning" and "No exercise" in never["summary"] and never["hint"] and not reports.exists()

    assert run(reports, state="planned", **WHAT, _ansible_check_mode=True)["changed"] and not reports.exists()
    planned = run(reports, state="planned", **WHAT)
    assert (planned["changed"], planned["status"], planned["head"]["sequence"]) == (True, "ok", 1)
    assert last(reports)["status"] == "warning", "what is planned was not held"

    shown = run(reports, **WHAT, **CAME_OF_IT, _ansible_check_mode=True, _ansible_diff=True)
    assert shown["changed"] and '"outcome": "planned"' in shown["diff"]["before"] and "the team lead" in shown["diff"]["after"]
    assert len(lines(reports)) == 1
    held = run(reports, **WHAT, **CAME_OF_IT, run_id="20261122T050000Z-1a2b3c4d", operator="somebody")
    assert (held["changed"], held["status"], held["head"]["sequence"]) == (True, "ok", 2)
    row = lines(reports)[1]
    assert (row["step"], row["outcome"], row["run_id"], row["who"]["operator"]) == ("exercise", "done", "20261122T050000Z-1a2b3c4d", "somebody")
    assert row["details"]["actions"] == CAME_OF_IT["actions"] and row["details"]["participants"] == ["the person on call"]
    assert row["summary"] == f"Held on {TODAY} with 1 participant: The key of the deploy user was stolen (1 finding, 1 action)"
    path = Path(held["path"])
    assert [one.stat().st_mode & 0o777 for one in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]

    told = last(reports)
    assert (told["status"], told["value"], told["unit"], told["warning"]) == ("ok", 0, "days", 100)
    assert "EX-3" in told["summary"] and "the person on call" not in json.dumps(told), "who took part stands in the log alone"
    again = run(reports, **WHAT, **CAME_OF_IT)
    assert again["changed"] is False and len(lines(reports)) == 2 and again["head"] == held["head"]
    verified = run_module("custody_log", {"directory": str(reports / "exercises"), "incident": "EX-3", "state": "verified"})
    assert verified["status"] == "ok" and verified["head"] == held["head"], "it is a custody log like another"


@pytest.mark.parametrize(("days", "status"), [(0, "ok"), (99, "ok"), (100, "warning"), (400, "warning")])
def test_how_long_ago(reports: Path, days: int, status: str) -> None:
    run(reports, **WHAT, **{**CAME_OF_IT, "held": str(TODAY - timedelta(days=days))})
    run(reports, **{**WHAT, "exercise": "EX-1"}, **{**CAME_OF_IT, "held": str(TODAY - timedelta(days=500))})
    row = last(reports)
    assert (row["status"], row["value"]) == (status, days) and "EX-3" in row["summary"]
    listed = run(reports)["exercises"]
    assert [one["exercise"] for one in listed] == ["EX-3", "EX-1"] and listed[0]["actions"] == 1
    assert last(reports, warning_days=401)["status"] == "ok"


def test_another_platform_and_a_correction(reports: Path) -> None:
    run(reports, **{**WHAT, "exercise": "EX-9"}, **CAME_OF_IT, platform="Other")
    assert "No exercise" in last(reports)["summary"]
    run(reports, **WHAT, **CAME_OF_IT)
    run(reports, **WHAT, **{**CAME_OF_IT, "held": str(TODAY - timedelta(days=200))})  # the day was wrong
    assert (last(reports)["value"], last(reports)["status"]) == (200, "warning")


def test_a_correction_of_something_else_does_not_move_the_day(reports: Path) -> None:
    then = str(TODAY - timedelta(days=200))
    run(reports, **WHAT, **{**CAME_OF_IT, "held": then})
    unsaid = {**CAME_OF_IT, "held": None}
    assert run(reports, **WHAT, **unsaid)["changed"] is False, "the same file on another day"
    assert run(reports, **WHAT, **{**unsaid, "findings": ["Somebody knew it."]})["changed"] is True
    assert (lines(reports)[1]["details"]["held"], last(reports)["value"]) == (then, 200)
    run(reports, **WHAT, **unsaid, platform="Other")
    assert lines(reports)[2]["details"]["held"] == str(TODAY), "that of another platform is another day"


def test_a_log_that_is_not_what_was_written_does_not_count(reports: Path) -> None:
    run(reports, **WHAT, **{**CAME_OF_IT, "held": str(TODAY - timedelta(days=200))})
    path = reports / "exercises/EX-3/custody.jsonl"
    path.write_bytes(path.read_bytes().replace(str(TODAY - timedelta(days=200)).encode(), str(TODAY).encode()))
    row = last(reports)
    assert row["status"] == "warning" and "No exercise" in row["summary"] and "does not count" in row["summary"]
    run(reports, **{**WHAT, "exercise": "EX-4"}, **CAME_OF_IT)
    row = last(reports)
    assert (row["status"], row["value"]) == ("warning", 0) and "EX-3 is not what was written" in row["summary"]
    assert run(reports, **WHAT, **CAME_OF_IT)["status"] == "critical", "the chain stays broken"


def test_what_cannot_be_read_is_unknown_unless_a_later_one_is_known(reports: Path) -> None:
    run(reports, **WHAT, **{**CAME_OF_IT, "held": str(TODAY - timedelta(days=200))})
    (reports / "exercises/EX-5/custody.jsonl").mkdir(parents=True)
    row = last(reports)
    assert row["status"] == "unknown" and "EX-5" in row["summary"]
    run(reports, **{**WHAT, "exercise": "EX-6"}, **CAME_OF_IT)
    assert last(reports)["status"] == "ok"
    (reports / "exercises").rename(reports / "moved")
    (reports / "exercises").write_text("no folder")
    assert last(reports)["status"] == "unknown"


def test_the_self_test(reports: Path) -> None:
    def tried() -> dict[str, Any]:
        (row,) = [row for row in run(reports, return_all=True)["checks"] if row["check"] == "security.selftest"]
        return dict(row)

    def beat(status: str, ended: str) -> None:
        path.write_text(json.dumps({
            "schema": 1, "run_id": "20261122T050000Z-1a2b3c4d", "platform": "Shop", "playbook": "security_selftest", "started": ended,
            "ended": ended, "status": status, "health": "",
        }))  # fmt: skip

    def ago(**time: float) -> str:
        return (datetime.now(timezone.utc) - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert tried()["status"] == "warning" and "Nobody has tried" in tried()["summary"]
    path = heartbeat_path(reports, "Shop", "security_selftest")
    path.parent.mkdir(parents=True)
    for days, ran, status in (
        (3, "ok", "ok"), (99, "warning", "ok"), (101, "ok", "warning"), (101, "warning", "warning"),
        # An alarm that did not ring, or that nobody could try, is not well because that was lately.
        (3, "critical", "critical"), (3, "unknown", "unknown"), (101, "unknown", "unknown"), (3, "\x1b[2Jfine", "unknown"),
    ):  # fmt: skip
        beat(ran, ago(days=days, minutes=1))
        assert (tried()["status"], tried()["value"]) == (status, days), (days, ran)
        assert "the run was " in tried()["summary"] and "\x1b" not in tried()["summary"]
    beat("ok", ago(minutes=-1))
    assert (tried()["status"], tried()["value"]) == ("ok", 0)
    for ended in (ago(days=-2), "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+05:00"):
        beat("ok", ended)
        assert tried()["status"] == "unknown", ended
    path.write_text("{")
    assert tried()["status"] == "unknown"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exercise": None}, "exercise: '' is no id"), ({"exercise": "../x"}, "exercise: '../x' is no id"), ({"scenario": " "}, "scenario is empty"),
        ({"participants": []}, "participants is empty"), ({"participants": [""]}, "participants has an empty entry"),
        ({"held": "yesterday"}, "held: 'yesterday' is no day"), ({"held": str(TODAY + timedelta(days=3))}, "is in the future"),
        ({"held": "2026-02-30"}, "is no day"), ({"findings": ["x"] * 101}, "findings: 101 are given"),
        ({"actions": [{"action": "x", "owner": "", "due": "2027-01-31"}]}, "actions[0].owner is empty"),
        ({"actions": [{"action": "x", "owner": "y", "due": "soon"}]}, "actions[0].due: 'soon' is no day"),
        ({"findings": ["x" * 1990] * 100}, "more than 65536 bytes"), ({"directory": "reports"}, "directory"), ({"wait_seconds": -1}, "wait_seconds"),
        ({"state": "planned"}, "findings, actions and held belong to an exercise that was held"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_in_words(reports: Path, options: dict[str, Any], message: str) -> None:
    answer = run(reports, **{**WHAT, **CAME_OF_IT, **options})
    assert answer["failed"] is True and message in answer["msg"] and "exception" not in answer
    assert not reports.exists()


def test_hostile_texts_are_data(reports: Path) -> None:
    evil = "\x1b[2J{{ lookup('pipe', 'id') }}\n\u202e"
    run(reports, **{**WHAT, "scenario": evil, "participants": [evil]}, **CAME_OF_IT)
    assert "\x1b" not in json.dumps(lines(reports), ensure_ascii=False) and "\u202e" not in last(reports)["summary"]


def test_a_folder_that_nobody_made_for_an_exercise_is_data(reports: Path) -> None:
    run(reports, **WHAT, **CAME_OF_IT)
    for name in (b"\xff\xfe", b"\x1b[2J", "\u202eEX".encode()):
        shutil.copytree(reports / "exercises/EX-3", reports / "exercises" / os.fsdecode(name))
    answer = run(reports, return_all=True)
    assert json.dumps(answer, ensure_ascii=False).isprintable() and [one["exercise"] for one in answer["exercises"]] == ["EX-3"]
