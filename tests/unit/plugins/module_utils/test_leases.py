"""A procedure of several tasks keeps others away; a dead one only until its lease ends or the host reboots."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import leases
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_checks import check_held
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_file import renew_lease
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, utc_now

NOW = datetime(2026, 11, 22, 1, 43, 56, tzinfo=timezone.utc)
FIRST = LockOwner("20261122T014356Z-0000000a", "backup", "2026-11-22T01:43:56Z")
SECOND = LockOwner("20261122T014400Z-0000000b", "prepare", "2026-11-22T01:44:00Z")


def take(
    directory: Path, owner: LockOwner, *, at: datetime = NOW, boot_id: str = "boot", check_mode: bool = False, take_over: str = ""
) -> leases.Lease:
    return leases.take_lease(directory, owner, ttl_seconds=600, now=at, boot_id=boot_id, take_over=take_over, check_mode=check_mode)


def test_take_renew_refuse_release(tmp_path: Path) -> None:
    assert take(tmp_path, FIRST).changed is True
    renewed = take(tmp_path, FIRST, at=NOW + timedelta(seconds=500))
    assert (renewed.changed, renewed.content["taken"], renewed.content["expires"]) == (
        False,
        "2026-11-22T01:43:56Z",
        "2026-11-22T02:02:16Z",
    )
    with pytest.raises(leases.LeaseHeld, match="run 20261122T014356Z-0000000a of backup works on this host since .*02:02:16Z"):
        take(tmp_path, SECOND, at=NOW + timedelta(seconds=501))
    assert leases.release_lease(tmp_path, SECOND) is False
    assert leases.read_lease(tmp_path) is not None
    assert leases.release_lease(tmp_path, FIRST) is True
    assert leases.release_lease(tmp_path, FIRST) is False
    assert take(tmp_path, SECOND).taken_over is None


@pytest.mark.parametrize(
    ("later", "boot_id"), [(timedelta(seconds=600), "boot"), (timedelta(seconds=1), "another boot")]
)
def test_an_expired_lease_is_taken_over_and_named(tmp_path: Path, later: timedelta, boot_id: str) -> None:
    take(tmp_path, FIRST)
    lease = take(tmp_path, SECOND, at=NOW + later, boot_id=boot_id)
    assert lease.taken_over is not None and lease.taken_over["run_id"] == FIRST.run_id


def test_the_lease_of_a_run_that_is_named_as_dead_is_taken_over_at_once(tmp_path: Path) -> None:
    take(tmp_path, FIRST)
    for other in ("", SECOND.run_id, "20261122T014356Z-0000000c"):
        with pytest.raises(leases.LeaseHeld):
            take(tmp_path, SECOND, take_over=other)
    lease = take(tmp_path, SECOND, take_over=FIRST.run_id)
    assert lease.told and lease.taken_over is not None and lease.taken_over["run_id"] == FIRST.run_id
    assert check_held(tmp_path, lease)["status"] == "ok"
    assert not take(tmp_path, SECOND, take_over=FIRST.run_id).told, "it is its own by now"
    third = LockOwner("20261122T014500Z-0000000d", "backup", "2026-11-22T01:45:00Z")
    with pytest.raises(leases.LeaseHeld, match=SECOND.run_id):
        take(tmp_path, third, take_over=FIRST.run_id)


@pytest.mark.parametrize(
    ("changes", "later", "end"),
    [
        ({}, 300, "2026-11-22T01:58:56Z"), ({}, 7200, "2026-11-22T03:53:56Z"), ({}, 59, None), ({"run_id": SECOND.run_id}, 300, None),
        ({"ttl_seconds": "600"}, 300, None), ({"ttl_seconds": True}, 300, None), ({"ttl_seconds": 1e300}, 300, None),
        ({"ttl_seconds": -1}, 300, None), ({"expires": "soon"}, 300, None), ({"expires": None}, 300, None),
    ],
)
def test_a_module_of_the_run_renews_its_lease_however_long_it_took(
    tmp_path: Path, changes: dict[str, Any], later: float, end: str | None
) -> None:
    lease = {**take(tmp_path, FIRST).content, **changes}
    (tmp_path / leases.LEASE_FILE).write_text(json.dumps(lease))
    renew_lease(tmp_path, FIRST.run_id, NOW + timedelta(seconds=later))
    assert leases.read_lease(tmp_path) == (lease if end is None else {**lease, "expires": end})


@pytest.mark.parametrize("fails", [False, True])
def test_whoever_held_the_lock_leaves_a_lease_that_lasts(tmp_path: Path, fails: bool) -> None:
    take(tmp_path, FIRST, at=utc_now() - timedelta(days=1))
    for name, owner, lasts in (("backups.json.lock", FIRST, False), ("lock", SECOND, False), ("lock", FIRST, True)):
        with pytest.raises(KeyError) if fails else nullcontext():
            with exclusive_lock(tmp_path / name, owner):
                if fails:
                    raise KeyError
        lease = leases.read_lease(tmp_path)
        assert lease is not None and (from_iso(lease["expires"]) > utc_now()) is lasts
    (tmp_path / leases.LEASE_FILE).unlink()
    with exclusive_lock(tmp_path / "lock", FIRST):
        pass
    assert leases.read_lease(tmp_path) is None, "one that was given back stays away"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"run_id": "x", "boot_id": "boot", "expires": "never"}'])
def test_a_damaged_lease_blocks_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / leases.LEASE_FILE).write_bytes(content)
    assert take(tmp_path, SECOND).content["run_id"] == SECOND.run_id


def test_check_mode_decides_and_writes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    assert take(directory, FIRST, check_mode=True).changed is True
    assert leases.release_lease(directory, FIRST, check_mode=True) is False
    assert not directory.exists()
    take(directory, FIRST)
    before = sorted(os.listdir(directory))
    with pytest.raises(leases.LeaseHeld):
        take(directory, SECOND, check_mode=True)
    assert leases.release_lease(directory, FIRST, check_mode=True) is True
    assert sorted(os.listdir(directory)) == before
