"""The note on the host: what a recovery was about to do, whatever became of it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.record import plan_record, read_record, write_record

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)
FIRST, SECOND = "20261122T050000Z-0000000a", "20261122T060000Z-0000000b"


def options(run_id: str, phase: str, **more: Any) -> dict[str, Any]:
    return {"run_id": run_id, "phase": phase, **more}


def test_a_recovery_goes_from_begun_to_recovered_and_keeps_what_it_said(tmp_path: Path) -> None:
    assert read_record(str(tmp_path)) == {}
    begun = plan_record({}, options(FIRST, "begun", backup="/b.tar"), NOW)
    write_record(str(tmp_path / "state"), begun)
    assert read_record(str(tmp_path / "state")) == begun
    assert (tmp_path / "state" / "recovery.json").stat().st_mode & 0o777 == 0o600
    done = plan_record(begun, options(FIRST, "recovered"), NOW.replace(hour=6))
    assert (done["phase"], done["backup"], done["started"], done["changed"]) == (
        "recovered", "/b.tar", "2026-11-22T05:00:00Z", "2026-11-22T06:00:00Z"
    )
    assert plan_record(done, options(SECOND, "begun"), NOW)["backup"] == "", "another recovery inherits nothing"


def test_one_that_has_not_ended_is_not_forgotten() -> None:
    begun = plan_record({}, options(FIRST, "begun"), NOW)
    with pytest.raises(UpkeepError, match=f"{FIRST} has not ended"):
        plan_record(begun, options(SECOND, "begun"), NOW)
    assert plan_record(plan_record(begun, options(FIRST, "undone"), NOW), options(SECOND, "begun"), NOW)["run_id"] == SECOND


def test_after_one_that_was_undone_the_one_before_it_can_be_taken_back() -> None:
    first = plan_record(plan_record({}, options(FIRST, "begun", backup="/b.tar"), NOW), options(FIRST, "recovered"), NOW)
    second = plan_record(first, options(SECOND, "begun", backup="/c.tar"), NOW.replace(hour=6))
    assert (second["run_id"], second["backup"], second["earlier_run_id"]) == (SECOND, "/c.tar", FIRST)
    undone = plan_record(second, options(SECOND, "undone"), NOW.replace(hour=7))
    assert (undone["run_id"], undone["phase"], undone["backup"], undone["started"]) == (FIRST, "recovered", "/b.tar", first["started"])
    assert plan_record(undone, options(SECOND, "undone"), NOW) == undone, "also when it is said twice"
    assert plan_record(second, options(SECOND, "recovered"), NOW)["run_id"] == SECOND


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"schema": 2, "phase": "begun"}', b'{"schema": 1, "phase": "x"}'])
def test_a_damaged_record_stops_who_reads_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recovery.json").write_bytes(content)
    with pytest.raises(UpkeepError, match="recovery.json"):
        read_record(str(tmp_path))


def test_a_run_without_an_id_notes_nothing() -> None:
    with pytest.raises(UpkeepError, match="run_id"):
        plan_record({}, options("", "begun"), NOW)
