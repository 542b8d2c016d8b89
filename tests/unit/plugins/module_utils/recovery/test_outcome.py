"""What a recovery came to: one row that says it, how long it took, how old the data are."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.outcome import recovery_outcome, step_seconds

STARTED = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)
AT = STARTED.timestamp()
BACKUP = {"path": "/b/x.tar.zst", "started": "2026-11-22T01:00:00Z"}
BEGINNINGS = {"preflight": 1, "maintenance": 10, "restore_files": 12, "end": 40.5}
MARKS = [{"step": name, "at": AT + second} for name, second in BEGINNINGS.items()]


def outcome(results: dict[str, Any] | None = None, marks: Any = None, **more: Any) -> dict[str, Any]:
    given = {"platform": "X", "backup": BACKUP, "started": STARTED, "check_mode": False, "rollback": False, "limits": {}, **more}
    return recovery_outcome(MARKS if marks is None else marks, results or {}, **given)


def by_id(result: dict[str, Any]) -> dict[str, Any]:
    return {check["check"]: check for check in result["checks"]}


def test_each_step_has_its_seconds() -> None:
    assert step_seconds(MARKS) == {"preflight": 9.0, "maintenance": 2.0, "restore_files": 28.5}
    assert step_seconds([]) == {}


def test_a_recovery_that_ended_well_tells_both_figures() -> None:
    result = outcome({"files": {"checks": [{"check": "backup.restore", "status": "ok"}]}, "lease": {}})
    checks = by_id(result)
    assert result["changed"] is True
    assert checks["recovery.result"]["status"] == "ok"
    assert (checks["recovery.time"]["value"], checks["recovery.time"]["evidence"]["down_seconds"]) == (40.5, 30.5)
    assert (checks["recovery.point"]["value"], checks["recovery.point"]["status"]) == (4 * 3600, "ok")
    assert "backup.restore" in checks


def test_limits_warn() -> None:
    checks = by_id(outcome(limits={"time_seconds": 30.0, "point_seconds": 3600.0}))
    assert checks["recovery.time"]["status"] == checks["recovery.point"]["status"] == "warning"
    assert checks["recovery.time"]["warning"] == 30.0


def test_a_refusal_has_touched_nothing() -> None:
    result = outcome({"failure": "no room"}, MARKS[:1] + [{"step": "end", "at": AT + 5}], backup={})
    assert result["changed"] is False
    assert list(by_id(result)) == ["recovery.result"]
    assert result["checks"][0]["status"] == "critical"
    assert "refused before anything was touched: no room." in result["checks"][0]["summary"]


def failed(put_back: dict[str, Any], **more: Any) -> dict[str, Any]:
    marks = MARKS[:3] + [{"step": "put_back", "at": AT + 30}, {"step": "end", "at": AT + 40}]
    return by_id(outcome({"failure": "disk is full.", "put_back": put_back}, marks, **more))


def test_a_failure_names_its_step_and_that_all_is_as_before() -> None:
    checks = failed({"trees": {"changed": True}})
    assert checks["recovery.result"]["status"] == "critical"
    assert "failed in the step restore_files: disk is full. Everything was put back" in checks["recovery.result"]["summary"]
    assert "until everything was put back" in checks["recovery.time"]["summary"]
    assert "recovery.point" not in checks, "no data came back"


def test_what_could_not_be_put_back_is_said_loudly() -> None:
    checks = failed({"trees": {"failed": True, "msg": "is a mount point"}, "databases": {"failed": False}})
    assert "NOT everything could be put back: trees: is a mount point." in checks["recovery.result"]["summary"]


def test_a_rollback_to_what_was_broken_before_says_so() -> None:
    marks = [{"step": name, "at": AT} for name in ("maintenance", "return_files", "health", "put_back", "end")]
    row = outcome({"failure": "no answer"}, marks, rollback=True)["checks"][0]
    assert row["status"] == "critical" and "is in place again and started, and failed in the step health: no answer" in row["summary"]
    assert "run it again" not in row["summary"] and "recovery_before" in row["hint"]


def test_a_refusal_after_a_killed_run_says_what_is_still_stopped() -> None:
    marks = [{"step": "preflight", "at": AT}, {"step": "end", "at": AT + 1}]
    assert "is still stopped" in outcome({"failure": "no room", "continued": "x"}, marks)["checks"][0]["summary"]
    assert "still stopped" not in outcome({"failure": "no room", "continued": ""}, marks)["checks"][0]["summary"]


def test_a_rollback_that_is_refused_names_no_other_backup() -> None:
    marks = [{"step": "preflight_previous", "at": AT}, {"step": "end", "at": AT + 1}]
    row = outcome({"failure": "there is nothing to take back"}, marks, rollback=True)["checks"][0]
    assert "refused before anything was touched" in row["summary"] and "choose another backup" not in row["hint"]


def test_a_rollback_that_failed_goes_on_later() -> None:
    assert "run it again, it goes on where it was" in failed({}, rollback=True)["recovery.result"]["summary"]


def test_check_mode_says_what_would_begin() -> None:
    result = outcome(check_mode=True)
    assert result["changed"] is False
    assert [check["check"] for check in result["checks"]] == ["recovery.result"]
    assert "would begin" in result["checks"][0]["summary"]


def test_a_backup_without_a_time_is_no_crash() -> None:
    assert by_id(outcome(backup={"path": "/b", "started": "?"}))["recovery.point"]["status"] == "warning"
