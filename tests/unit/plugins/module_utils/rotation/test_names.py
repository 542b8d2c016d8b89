"""Only names that fit wholly are ours."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import (
    Archive,
    archives_by_log,
    is_too_long,
    new_archive,
    read_name,
)

STAMP = "20261122T051023Z"


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        (f"app.log-{STAMP}-1a2b3c4d", Archive("app.log", STAMP, "1a2b3c4d")),
        (f"app.log-{STAMP}-1a2b3c4d.gz", Archive("app.log", STAMP, "1a2b3c4d", ".gz")),
        (f"app.log-{STAMP}-1a2b3c4d.zst.new", Archive("app.log", STAMP, "1a2b3c4d", ".zst", ".new")),
        (f"app.log-{STAMP}-1a2b3c4d.fresh", Archive("app.log", STAMP, "1a2b3c4d", "", ".fresh")),
        (f"app.log-{STAMP}-1a2b3c4d.copy", Archive("app.log", STAMP, "1a2b3c4d", "", ".copy")),
        (f"a\nb\udcff-{STAMP}-1a2b3c4d", Archive("a\nb\udcff", STAMP, "1a2b3c4d")),
        (f"app.log-{STAMP}-1a2b3c4d-{STAMP}-00000000", Archive(f"app.log-{STAMP}-1a2b3c4d", STAMP, "00000000")),
    ],
)
def test_a_name_of_ours(name: str, archive: Archive) -> None:
    assert read_name(name) == archive
    assert archive.name == name


@pytest.mark.parametrize(
    "name",
    [
        "app.log", "app.log-20261122", "app.log-20261122.gz", "app.log.1", "app.log-extra", "app-2.log", "",
        f"app.log-{STAMP}", f"app.log-{STAMP}-1a2b3c4", f"app.log-{STAMP}-1a2b3c4d5", f"app.log-{STAMP}-1A2B3C4D",
        f"app.log-{STAMP}-1a2b3c4d.bz2", f"app.log-{STAMP}-1a2b3c4d.gz.old", f"app.log-{STAMP}-1a2b3c4d\n",
        f"-{STAMP}-1a2b3c4d", "app.log-20261399T999999Z-1a2b3c4d", f"app.log-{STAMP}-1a2b3c4d.new.gz",
    ],
)
def test_a_name_of_somebody_else(name: str) -> None:
    assert read_name(name) is None


def test_archives_of_logs_with_like_names_are_kept_apart() -> None:
    names = [f"app.log-{STAMP}-1a2b3c4d.gz", f"app.log-extra-{STAMP}-1a2b3c4d.gz", f"app-2.log-{STAMP}-1a2b3c4d", "app.log"]
    found = archives_by_log(names)
    assert {log: [archive.name for archive in archives] for log, archives in found.items()} == {
        "app.log": [names[0]], "app.log-extra": [names[1]], "app-2.log": [names[2]],
    }


def test_archives_of_one_second_keep_their_order() -> None:
    moments = [datetime(2026, 11, 22, 5, 10, 23, microsecond, timezone.utc) for microsecond in (0, 9, 10, 99_999, 999_999)]
    names = [new_archive("app.log", moment, b"\xff\xff").name for moment in moments]
    assert names == sorted(names)
    assert names[-1] == f"app.log-{STAMP}-f423ffff"
    assert [archive.name for archive in archives_by_log(reversed(names))["app.log"]] == names


def test_a_name_that_leaves_no_room_for_an_archive() -> None:
    assert not is_too_long("a" * 219)
    assert is_too_long("a" * 220)
    assert is_too_long("é" * 110)
