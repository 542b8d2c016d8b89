"""The module as Ansible runs it: one process for each call, options on standard input, one JSON answer."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, run_module, start_module

BACKUP = {"run_id": "20261122T014356Z-0000000a", "playbook": "backup"}
PREPARE = {"run_id": "20261122T014400Z-0000000b", "playbook": "prepare"}


def start(**options: Any) -> subprocess.Popen[str]:
    return start_module("lease", options)


def run(directory: Path, **options: Any) -> dict[str, Any]:
    return run_module("lease", {"directory": str(directory), **options})


def lease_file(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "lease.json").read_text())


def plant(directory: Path, **changes: Any) -> dict[str, Any]:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lease = {**BACKUP, "boot_id": boot_id, "taken": to_iso(utc_now()), "expires": to_iso(utc_now() + timedelta(hours=1)), **changes}
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / "lease.json").write_text(json.dumps(lease))
    return lease


def test_a_run_takes_renews_and_gives_back_its_lease_without_a_change(tmp_path: Path) -> None:
    state = tmp_path / "state"
    taken = run(state, **BACKUP, ttl_seconds=60)
    assert taken["changed"] is False
    assert taken["status"] == "ok"
    assert taken["taken_over"] == {}
    assert taken["lease"] == lease_file(state)
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "lease.json").stat().st_mode & 0o777 == 0o600

    renewed = run(state, **BACKUP, ttl_seconds=7200)
    assert renewed["lease"]["taken"] == taken["lease"]["taken"]
    assert renewed["lease"]["expires"] > taken["lease"]["expires"]

    released = run(state, **BACKUP, state="released")
    assert (released["lease"], released["status"], released["changed"]) == ({}, "ok", False)
    assert not (state / "lease.json").exists()
    assert run(state, **BACKUP, state="released")["status"] == "ok"


def test_of_two_processes_at_once_one_is_told_who_works_on_the_host(tmp_path: Path) -> None:
    options = {"directory": str(tmp_path / "state")}
    processes = [start(**options, **owner) for owner in (BACKUP, PREPARE)]
    answers = [answer_of(process) for process in processes]
    refused = [result for result in answers if result.get("failed")]
    granted = [result for result in answers if not result.get("failed")]
    assert len(refused) == len(granted) == 1
    holder = granted[0]["lease"]
    assert holder == lease_file(tmp_path / "state")
    assert refused[0]["holder"] == holder
    for part in (holder["run_id"], holder["playbook"], holder["expires"]):
        assert part in refused[0]["msg"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"expires": "2026-01-01T00:00:00Z"}, id="expired"),
        pytest.param({"boot_id": "another"}, id="rebooted"),
        pytest.param({"expires": "soon"}, id="unreadable end"),
    ],
)
def test_a_lease_that_ended_is_taken_over_and_reported(tmp_path: Path, changes: dict[str, Any]) -> None:
    old = plant(tmp_path / "state", **changes)
    result = run(tmp_path / "state", **PREPARE)
    assert result["taken_over"] == old
    assert result["status"] == "warning"
    assert old["run_id"] in result["checks"][0]["summary"]
    assert lease_file(tmp_path / "state")["run_id"] == PREPARE["run_id"]


def test_the_lease_of_another_run_is_never_released(tmp_path: Path) -> None:
    other = plant(tmp_path / "state")
    result = run(tmp_path / "state", **PREPARE, state="released")
    assert lease_file(tmp_path / "state") == other
    assert result["status"] == "warning"
    assert other["run_id"] in result["checks"][0]["summary"]


def test_check_mode_decides_the_same_and_writes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert run(state, **BACKUP, _ansible_check_mode=True)["status"] == "ok"
    assert not state.exists()
    other = plant(state)
    assert run(state, **PREPARE, _ansible_check_mode=True)["failed"] is True
    run(state, **BACKUP, state="released", _ansible_check_mode=True)
    assert [path.name for path in state.iterdir()] == ["lease.json"]
    assert lease_file(state) == other


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"run_id": "yesterday", "playbook": "backup"}, "run_id"),
        ({**BACKUP, "ttl_seconds": 0}, "ttl_seconds"),
        ({**BACKUP, "state": "taken"}, "state"),
        ({"playbook": "backup"}, "run_id"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, Any], named: str) -> None:
    result = run(tmp_path / "state", **options)
    assert result["failed"] is True
    assert named in result["msg"]
    assert not (tmp_path / "state").exists()


def test_a_place_that_cannot_hold_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    result = run(tmp_path / "state", **BACKUP)
    assert result["failed"] is True
    assert str(tmp_path / "state") in result["msg"]
