"""For how long there is room where a repository on this host is."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import storage

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=timezone.utc)
GROUP = Group("app", "", "/srv/restic", (), 1, "manifest", None, 1, None, ())
MIB = 1024 * 1024


def packs(*written: tuple[float, int]) -> list[storage.Pack]:
    """Return packs of (days ago, MiB)."""
    return [(size * MIB, (NOW - timedelta(days=days)).timestamp()) for days, size in written]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([(100, 9000), (6, 14), (3, 28), (0.1, 28)], 10.0),
        # The first backup brings everything, and comes in many packs.
        ([(2.5, 9000), (2.4, 9000), (1, 20), (0, 20)], 20.0),
        ([(0.9, 9000), (0.1, 5)], None),
        ([(100, 9000)], 0.0),
        ([(100, 10), (-3, 500)], 0.0),
        ([], None),
    ],
)
def test_what_is_written_each_day(written: list[tuple[float, int]], expected: float | None) -> None:
    found = storage.written_per_day(packs(*written), NOW)
    assert found == (None if expected is None else pytest.approx(expected * MIB))


@pytest.mark.parametrize(
    ("free", "status", "words"),
    [
        (300, "ok", "/srv/restic takes 8.86 GiB, 300 MiB are free; 10 MiB were written each day of the last week: room for 30 days"),
        (29, "warning", "room for 2.9 days"), (9, "critical", "room for 0.9 days"), (0, "critical", "0 B are free"),
    ],
)
def test_room_for_days(free: int, status: str, words: str) -> None:
    check = storage.judged(GROUP, "/srv/restic", packs((100, 9000), (6, 14), (3, 28), (0.1, 28)), free * MIB, NOW)
    assert (check["status"], check["unit"]) == (status, "days") and words in check["summary"], check
    assert bool(check.get("hint")) is (status != "ok")
    young = storage.judged(GROUP, "/srv/restic", packs((0.1, 10)), free * MIB, NOW)
    assert (young["status"], young["value"]) == ("ok" if free else "critical", None)


def test_what_cannot_be_counted_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = storage.repository_check(GROUP, str(tmp_path / "none"), NOW)
    assert check["status"] == "unknown" and "No such file or directory" in check["summary"] and check["hint"]
    folder = tmp_path / "data" / "0a"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_bytes(b"x" * 100)
    (tmp_path / "data" / "0b").symlink_to(folder)
    os.symlink("/dev/zero", folder / "link")
    assert storage.repository_check(GROUP, str(tmp_path), NOW)["evidence"]["packs"] == 3
    monkeypatch.setattr(storage, "MAX_PACKS", 2)
    assert "more than 2 packs" in storage.repository_check(GROUP, str(tmp_path), NOW)["summary"]
