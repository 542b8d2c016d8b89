"""The modules around logs as Ansible runs them: one process for each call, options on standard input, one JSON answer."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(name: str, **options: Any) -> dict[str, Any]:
    return run_module(name, options)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir(mode=0o755)
    path = tmp_path / "logs" / "app.log"
    path.write_text("a line\n" * 100)
    return path


def test_check_run_check_run(log: Path, tmp_path: Path) -> None:
    given = {"paths": [str(log)], "state_directory": str(tmp_path / "state"), "check_logrotate": False}
    answers = [run("log_rotate", **given, _ansible_check_mode=check_mode, _ansible_diff=True) for check_mode in (True, False) * 2]
    assert [answer["changed"] for answer in answers] == [True, True, False, False]
    assert [answer["status"] for answer in answers] == ["ok"] * 4
    assert answers[0]["diff"]["before"] == answers[1]["diff"]["before"] == f"{log} (700 bytes)\n"
    archive = Path(answers[1]["rotated"][0]["archive"])
    assert gzip.decompress(archive.read_bytes()) == b"a line\n" * 100
    assert sorted(path.name for path in log.parent.iterdir()) == sorted([log.name, archive.name])
    assert answers[1]["totals"]["rotated"] == 1 and answers[3]["totals"]["not_due"] == 1
    assert [row["check"] for row in answers[1]["checks"]] == ["log.rotation"]


def test_groups_take_what_they_leave_out_from_the_module(log: Path, tmp_path: Path) -> None:
    other = log.with_name("other.log")
    other.write_text("b\n")
    answer = run(
        "log_rotate", compress="none", groups=[{"paths": [str(log)], "compress": "gzip"}, {"name": "o", "paths": [str(other)]}],
        state_directory=str(tmp_path / "state"),
    )
    assert [Path(row["archive"]).suffix == ".gz" for row in answer["rotated"]] == [True, False]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no log is named; give paths or groups"),
        ({"paths": ["relative.log"]}, "give an absolute path"),
        ({"paths": ["/a.log"], "wait_seconds": -1}, "wait_seconds: -1 is not accepted; give 0 to 3600."),
        ({"paths": ["/a.log"], "lock_wait_seconds": "nan"}, "lock_wait_seconds: nan is not accepted; give 0 to 86400."),
        ({"groups": [{"paths": ["/a.log"], "reopen": {"signal": "USR1"}}]}, "groups[0].reopen: a signal needs exactly one of"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    answer = run("log_rotate", **options, state_directory=str(tmp_path / "state"))
    assert answer["failed"] is True and said in answer["msg"]
    assert not (tmp_path / "state").exists()


def test_a_failure_carries_the_checks_of_all_logs(log: Path, tmp_path: Path) -> None:
    other = log.with_name("other.log")
    other.write_text("b\n")
    answer = run(
        "log_rotate", compress="zstd", groups=[{"paths": [str(log)]}, {"paths": [str(other)], "compress": "gzip"}],
        state_directory=str(tmp_path / "state"), return_all=True, check_logrotate=False,
    )
    assert answer["status"] == "ok", answer
    (tmp_path / "bin").mkdir()
    log.write_text("again\n")
    os.environ["PATH"], path = str(tmp_path / "bin"), os.environ["PATH"]
    try:
        answer = run(
            "log_rotate", compress="zstd", paths=[str(log)], min_age_hours=0, state_directory=str(tmp_path / "state"),
            check_logrotate=False,
        )
    finally:
        os.environ["PATH"] = path
    assert answer["failed"] is True and "zstd is not installed" in answer["msg"] and "it stays as it is" in answer["msg"]
    assert [row["status"] for row in answer["checks"]] == ["critical"] and answer["changed"] is True


def test_what_surrounds_the_logs(log: Path) -> None:
    answer = run("logrotate_status", paths=[str(log), str(log.parent / "*.log")], return_all=True, warning_percent=0, critical_percent=0)
    assert answer["changed"] is False
    assert [row["subject"] for row in answer["checks"] if row["check"] == "disk.space"] == [str(log.parent)]
    assert {row["check"] for row in answer["checks"]} >= {"log.system_rotation", "disk.space"}
    assert answer["logrotate"]["installed"] is True and answer["logrotate"]["patterns"] > 0, "apt install logrotate"
    assert len(answer["file_systems"]) == 1


def test_a_disk_that_is_still_full_is_told(log: Path) -> None:
    answer = run("logrotate_status", paths=[str(log)], logrotate="ignored", warning_percent=0.001, critical_percent=0.002)
    assert answer["status"] == "critical" and answer["checks"][0]["check"] == "disk.space"
    assert answer["logrotate"] == {}


def test_a_folder_that_is_missing_is_unknown(tmp_path: Path) -> None:
    answer = run("logrotate_status", paths=[str(tmp_path / "missing" / "app.log")], logrotate="ignored")
    assert answer["status"] == "unknown" and "No such file" in answer["checks"][0]["summary"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"warning_hours": 10, "critical_hours": 5}, "warning_hours is 10, above critical_hours, which is 5"),
        ({"warning_hours": -1}, "warning_hours: -1.0 is not accepted"),
        ({"timeout_seconds": 0}, "timeout_seconds: 0 is not accepted; give 0.1 to 3600."),
        ({"warning_percent": 95, "critical_percent": 80}, "above"),
        ({"paths": ["x"]}, "give absolute paths"),
        ({"logrotate": "ignored"}, "nothing to look at"),
    ],
)
def test_thresholds_that_contradict_themselves(options: dict[str, Any], said: str) -> None:
    answer = run("logrotate_status", **options)
    assert answer["failed"] is True and said in answer["msg"]
