"""Times in the names of backups."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_time import created, time_in_name

UTC = timezone.utc
BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("comprehensive_backup_20261122_014356.tar.gz", datetime(2026, 11, 22, 0, 43, 56)),
        ("backup-2026-11-22T01-43-56.tar.zst", datetime(2026, 11, 22, 0, 43, 56)),
        ("backup-2026-11-22T01:43:56Z.tar.zst", datetime(2026, 11, 22, 1, 43, 56)),
        ("app-20261122T014356Z-0a1b2c3d.tar.zst", datetime(2026, 11, 22, 1, 43, 56)),
        ("app-2026.11.22-0143.zip", datetime(2026, 11, 22, 0, 43)),
        ("v20250101-app-20261122_0143.zip", datetime(2026, 11, 22, 0, 43)),
        ("dump_1795312800.sql.gz", datetime(2026, 11, 22, 2, 0)),
    ],
)
def test_the_time_that_a_name_spells(name: str, expected: datetime) -> None:
    assert time_in_name(name, BERLIN) == (expected.replace(tzinfo=UTC), timedelta(0))


@pytest.mark.parametrize(
    "name", ["backup.tar.gz", "backup-20261399.tar", "backup-20260230_120000.tar", "a-20261122_256199.tar.gz", "v1.2.3-99999999.zip"]
)
def test_digits_that_are_no_time(name: str) -> None:
    assert time_in_name(name, UTC) is None
    assert created(name, 1e9, zone=UTC) == (datetime.fromtimestamp(1e9, UTC), "mtime")


def test_a_day_alone_is_a_day_long() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert created("app-2026-11-22.tar", noon.timestamp(), zone=UTC) == (noon, "mtime")
    copied = noon + timedelta(days=3)
    assert created("app-2026-11-22.tar", copied.timestamp(), zone=UTC) == (datetime(2026, 11, 22, tzinfo=UTC), "name")


def test_the_name_wins_over_the_time_of_the_last_change() -> None:
    copied = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert created("app-20261122_014356.tar", copied, zone=UTC) == (datetime(2026, 11, 22, 1, 43, 56, tzinfo=UTC), "name")


def test_a_time_in_the_summer_is_read_in_the_zone_of_the_host() -> None:
    moment, _length = time_in_name("app-20260701_120000.tar") or (None, None)
    assert moment == datetime(2026, 7, 1, 12).astimezone(UTC)
