"""The files of a report directory: whole, bounded, ours, and self-mending."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import signal
import stat
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils import atomic_files, report_files
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import read_heartbeats
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockHeld, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.report_files import Report, Written, write_report
from ansible_collections.upkeep.runbook.plugins.module_utils.run_index import past_runs
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

START = datetime(2026, 11, 22, 5, 0, 0, tzinfo=timezone.utc)
HTML = '<p>{}</p><a href="../../index.html">past</a>'


def record(number: int, playbook: str = "daily", platform: str = "P", subject: str = "x") -> dict[str, Any]:
    started = START + timedelta(minutes=number)
    check = check_result("a.b", subject, "ok", "Fine.")
    return {
        "schema": 1, "run_id": f"{started:%Y%m%dT%H%M%SZ}-{number:08x}", "platform": platform, "playbook": playbook,
        "check_mode": False, "started": to_iso(started), "ended": to_iso(started + timedelta(seconds=10)), "status": "ok",
        "health": "HEALTHY",
        "hosts": {"web": {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": [check]}}}},
    }


def write(directory: Path, run: dict[str, Any], *, whole: bool = True, keep: int = 100, metrics: Path | None = None, wait: float = 0) -> Written:
    report = Report(run, HTML.format(run["run_id"]), f"# {run['run_id']}\n", whole)
    return write_report(directory, report, keep_runs=keep, prometheus_directory=metrics, wait_seconds=wait)


def ids(directory: Path) -> list[str]:
    index = json.loads((directory / "index.json").read_text())
    return [run["run_id"] for run in index["runs"]]


def tree(directory: Path) -> dict[str, bytes]:
    # The lock holds a note for people and no state.
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_everything_is_there_with_its_rights(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "reports"
    one = record(1)
    previous = os.umask(0o022)
    try:
        written = write(directory, one)
    finally:
        os.umask(previous)
    run = f"runs/{one['run_id']}"
    assert set(tree(directory)) == {
        "index.html", "index.json", "latest.html", "latest.json", "latest.md", "heartbeats/p_5c62e091.daily.json",
        f"{run}/record.json", f"{run}/report.html", f"{run}/report.md",
    }
    for path in [directory, *directory.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o750 if path.is_dir() else 0o600 if path.name == ".lock" else 0o640), path
        assert not path.is_symlink()
    assert all(Path(path).is_file() for path in written.paths.values())
    assert json.loads((directory / "latest.json").read_text()) == one
    assert 'href="../../index.html"' in Path(written.paths["html"]).read_text()
    assert 'href="index.html"' in (directory / "latest.html").read_text()


def test_the_latest_is_the_run_that_ended_last(tmp_path: Path) -> None:
    write(tmp_path, record(5))
    write(tmp_path, record(3))  # started earlier, waited for the lock, wrote later
    assert json.loads((tmp_path / "latest.json").read_text())["run_id"] == record(5)["run_id"]
    assert ids(tmp_path) == [record(5)["run_id"], record(3)["run_id"]]


def test_a_run_of_a_clock_that_was_ahead_does_not_stay_the_latest(tmp_path: Path) -> None:
    ahead = record(2_000_000)
    write(tmp_path, ahead)
    written = write(tmp_path, record(1))
    assert json.loads((tmp_path / "latest.json").read_text())["run_id"] == record(1)["run_id"]
    assert any(ahead["run_id"] in problem and "clock" in problem for problem in written.problems)


@pytest.mark.parametrize("name", ["runs/{}/record.json", "runs/{}/report.html", "index.json", "heartbeats/p_5c62e091.daily.json"])
@pytest.mark.parametrize("plant", ["link", "pipe"])
def test_a_planted_file_is_neither_followed_nor_waited_for(tmp_path: Path, name: str, plant: str) -> None:
    """The directory may belong to an unprivileged user while root writes."""
    secret = tmp_path / "shadow"
    secret.write_text("root:secret")
    directory = tmp_path / "reports"
    write(directory, record(2))
    path = directory / name.format(record(2)["run_id"])
    path.unlink()
    path.symlink_to(secret) if plant == "link" else os.mkfifo(path)
    try:
        write(directory, record(1))
    except UpkeepError as exc:
        assert str(path) in exc.message
    assert not [found for found in directory.rglob("*") if found.is_file() and b"secret" in found.read_bytes() and found != path]


def test_the_bound_counts_each_playbook_of_each_platform(tmp_path: Path) -> None:
    write(tmp_path, record(0, "daily"), keep=2)
    write(tmp_path, record(1, "daily", "Q"), keep=2)
    for number in range(2, 7):
        written = write(tmp_path, record(number, "health_check"), keep=2)
    assert written.removed == [record(4)["run_id"]]
    assert ids(tmp_path) == [record(number)["run_id"] for number in (6, 5, 1, 0)]
    assert sorted(ids(tmp_path)) == sorted(os.listdir(tmp_path / "runs"))


def test_the_newest_whole_run_outlives_partial_ones(tmp_path: Path) -> None:
    write(tmp_path, record(0))
    for number in range(1, 5):
        write(tmp_path, record(number), whole=False, keep=2)
    assert ids(tmp_path) == [record(number)["run_id"] for number in (4, 3, 0)]
    assert read_heartbeats(tmp_path, "P")[0]["daily"]["run_id"] == record(0)["run_id"]


def test_only_our_own_files_are_removed(tmp_path: Path) -> None:
    write(tmp_path, record(0))
    mine = tmp_path / "runs" / record(0)["run_id"] / "notes.txt"
    mine.write_text("mine")
    other = tmp_path / "runs" / "backup-of-runs"
    other.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "record.json").write_text("{}")
    link = tmp_path / "runs" / "20200101T000000Z-00000000"
    link.symlink_to(outside)
    for number in (1, 2):
        write(tmp_path, record(number), keep=1)
    assert mine.read_text() == "mine" and other.is_dir()
    assert link.is_symlink() and (outside / "record.json").exists()
    assert ids(tmp_path) == [record(2)["run_id"]]


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    write(tmp_path, record(0))
    half = tmp_path / "runs" / record(1)["run_id"]
    half.mkdir()
    (half / "report.html").write_text("half")
    (half / ".upkeep-record.json-abc.new").write_text("{")
    (tmp_path / ".upkeep-index.json-abc.new").write_text("{")
    (tmp_path / "heartbeats" / ".upkeep-x-abc.new").write_text("{")
    (tmp_path / "index.json").unlink()
    write(tmp_path, record(2))
    assert not half.exists()
    assert not [name for name in tree(tmp_path) if ".upkeep-" in name]
    assert ids(tmp_path) == [record(2)["run_id"], record(0)["run_id"]]


@pytest.mark.parametrize("damage", ["{", "[]", '{"runs": 1}', '{"runs": [{"run_id": 1}]}', "\x00" * 10, "[" * 100_000])
def test_a_damaged_index_is_made_anew_from_the_records(tmp_path: Path, damage: str) -> None:
    write(tmp_path, record(0))
    (tmp_path / "index.json").write_text(damage)
    runs, problem = past_runs(tmp_path)
    assert [run["run_id"] for run in runs] == [record(0)["run_id"]]
    assert "is damaged" in problem
    written = write(tmp_path, record(1))
    assert any("made anew" in text for text in written.problems)
    assert ids(tmp_path) == [record(1)["run_id"], record(0)["run_id"]]
    assert not write(tmp_path, record(2)).problems


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "hosts": {}}', b'{"schema": 1}', b"\xff\xfe"])
def test_a_damaged_record_is_said_and_kept(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, record(0))
    write(tmp_path, record(1))
    broken = tmp_path / "runs" / record(0)["run_id"] / "record.json"
    broken.write_bytes(damage)
    (tmp_path / "index.json").unlink()
    written = write(tmp_path, record(2))
    assert any(record(0)["run_id"] in text for text in written.problems)
    assert broken.read_bytes() == damage
    page = (tmp_path / "index.html").read_text()
    assert "The record is damaged" in page and "HEALTHY" in page
    assert json.loads((tmp_path / "latest.json").read_text())["run_id"] == record(2)["run_id"]


def test_a_damaged_newest_record_does_not_become_the_latest(tmp_path: Path) -> None:
    write(tmp_path, record(0))
    fake = tmp_path / "runs" / "99991231T000000Z-00000000"
    fake.mkdir()
    (fake / "record.json").write_text("{")
    write(tmp_path, record(1))
    assert json.loads((tmp_path / "latest.json").read_text())["run_id"] == record(1)["run_id"]


def test_the_second_run_says_who_holds_the_directory(tmp_path: Path) -> None:
    write(tmp_path, record(0))
    before = tree(tmp_path)
    owner = LockOwner("20261122T050000Z-aaaaaaaa", "weekly", "2026-11-22T05:00:00Z")
    with exclusive_lock(tmp_path / ".lock", owner), pytest.raises(LockHeld, match="20261122T050000Z-aaaaaaaa of weekly"):
        write(tmp_path, record(1), wait=0.05)
    assert tree(tmp_path) == before


def test_no_room_leaves_the_old_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, record(0))
    before = tree(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic_files.os, "fsync", full)
        with pytest.raises(UpkeepError, match="No space left on device; the previous file is unchanged"):
            write(tmp_path, record(1))
    assert tree(tmp_path) == before
    assert sorted(os.listdir(tmp_path / "runs")) == [record(0)["run_id"]]
    write(tmp_path, record(2))
    assert ids(tmp_path) == [record(2)["run_id"], record(0)["run_id"]]


def test_metrics_speak_for_the_newest_whole_run_of_each_playbook(tmp_path: Path) -> None:
    metrics, reports = tmp_path / "metrics", tmp_path / "reports"
    metrics.mkdir()
    write(reports, record(0, "daily", subject="daily"), metrics=metrics)
    write(reports, record(1, "health_check", subject="quick"), metrics=metrics)
    write(reports, record(2, "daily", subject="partial"), metrics=metrics, whole=False)
    path = metrics / "upkeep_p_5c62e091.prom"
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert 'subject="daily"' in text and 'subject="quick"' in text and "partial" not in text
    write(reports, record(3, "daily", "Q"), metrics=metrics)
    assert path.read_text() == text and (metrics / "upkeep_q_4ae81572.prom").exists()


def test_a_missing_metrics_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match="cannot write .*upkeep_p_5c62e091.prom: No such file or directory"):
        write(tmp_path / "reports", record(0), metrics=tmp_path / "absent")


def test_a_run_id_cannot_lead_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match="record.run_id"):
        write(tmp_path, {**record(0), "run_id": "../../etc"})
    assert not list(tmp_path.iterdir())


def test_a_run_may_be_written_again(tmp_path: Path) -> None:
    write(tmp_path, record(0))
    write(tmp_path, {**record(0), "status": "critical", "health": "UNHEALTHY"})
    assert json.loads((tmp_path / "latest.json").read_text())["health"] == "UNHEALTHY"
    assert json.loads((tmp_path / "index.json").read_text())["runs"][0]["health"] == "UNHEALTHY"


def _write_for_ever(directory: str, first: int) -> None:
    for number in range(first, first + 100_000):
        write(Path(directory), record(number), keep=3, wait=30)


def test_killed_at_any_moment_the_next_run_is_clean(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(int(os.environ.get("FAULT_RUNS", "3")) * 4):
        process = context.Process(target=_write_for_ever, args=(str(tmp_path), attempt * 1000))
        process.start()
        time.sleep(0.02 + random.random() * 0.05)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        last = record(attempt * 1000 + 900)
        written = write(tmp_path, last, keep=3)
        assert not written.problems
        assert ids(tmp_path)[0] == last["run_id"] and len(ids(tmp_path)) <= 4
        assert sorted(ids(tmp_path)) == sorted(os.listdir(tmp_path / "runs"))
        for run_id in ids(tmp_path):
            assert set(os.listdir(tmp_path / "runs" / run_id)) == set(report_files._RUN_FILES)
        assert not [name for name in tree(tmp_path) if ".upkeep-" in name]


def test_two_runs_at_once_both_stay(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")

    def several(first: int) -> None:
        for number in range(first, first + 10):
            # Who may wait for an hour takes runs that ended within that hour for no runs of the future.
            write(tmp_path, record(number), wait=3600)

    processes = [context.Process(target=several, args=(first,)) for first in (0, 10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(ids(tmp_path)) == 20
    assert json.loads((tmp_path / "latest.json").read_text())["run_id"] == record(19)["run_id"]
