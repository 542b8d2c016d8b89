"""A procedure of several tasks keeps others away; a dead one only until its lease ends or the host reboots."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import leases
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner

NOW = datetime(2026, 11, 22, 1, 43, 56, tzinfo=timezone.utc)
FIRST = LockOwner("20261122T014356Z-0000000a", "backup", "2026-11-22T01:43:56Z")
SECOND = LockOwner("20261122T014400Z-0000000b", "prepare", "2026-11-22T01:44:00Z")


def take(directory: Path, owner: LockOwner, *, at: datetime = NOW, boot_id: str = "boot", check_mode: bool = False) -> leases.Lease:
    return leases.take_lease(directory, owner, ttl_seconds=600, now=at, boot_id=boot_id, check_mode=check_mode)


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
