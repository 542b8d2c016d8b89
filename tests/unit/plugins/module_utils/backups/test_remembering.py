"""What is remembered of verified backups: merged, bounded, and never taken for nothing when it is damaged."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import (
    FILE_NAME,
    MAX_RECORDS,
    is_remembered,
    merged,
    read_records,
    remember,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner

OWNER = LockOwner("-", "test", "2026-11-22T01:43:56Z")
RECORD = {"bytes": 5, "mtime_ns": 7, "backup_id": None, "level": "content", "status": "ok", "verified": "2026-11-22T01:43:56Z"}
DRILL = {"drilled": "2026-11-20T01:43:56Z", "drill_seconds": 3.5, "drill_status": "ok"}


def test_what_is_remembered_is_read_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert read_records(state) == {}
    remember(state, {"/b/a.tar": RECORD}, OWNER)
    remember(state, {"/b/\udcff.tar": RECORD}, OWNER)
    assert read_records(state) == {"/b/a.tar": RECORD, "/b/\udcff.tar": RECORD}
    assert (state.stat().st_mode & 0o777, (state / FILE_NAME).stat().st_mode & 0o777) == (0o700, 0o600)


def test_nothing_found_writes_nothing(tmp_path: Path) -> None:
    remember(tmp_path / "state", {}, OWNER)
    assert not (tmp_path / "state").exists()


def test_a_drill_is_remembered_as_long_as_the_file_is_the_same() -> None:
    again = {**RECORD, "status": "critical", "verified": "2026-11-23T01:43:56Z"}
    assert merged({"/a": {**RECORD, **DRILL}}, {"/a": again}) == {"/a": {**again, **DRILL}}
    assert merged({"/a": {**RECORD, **DRILL}}, {"/a": {**again, "bytes": 6}}) == {"/a": {**again, "bytes": 6}}
    assert is_remembered(RECORD, 5, 7)
    assert not is_remembered(RECORD, 5, 8)


def test_those_verified_longest_ago_are_forgotten() -> None:
    many = {f"/{number}": {**RECORD, "verified": f"2026-11-22T{number // 60:02}:{number % 60:02}:00Z"} for number in range(MAX_RECORDS)}
    kept = merged(many, {"/new": {**RECORD, "verified": "2027-01-01T00:00:00Z"}})
    assert (len(kept), "/new" in kept, "/0" in kept, "/1" in kept) == (MAX_RECORDS, True, False, True)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"/a": 5}', "[" * 100_000, '{"/a": {"x": "' + "x" * 5_000_000 + '"}}'])
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(UpkeepError, match="is damaged; move it away"):
        read_records(tmp_path)
    with pytest.raises(UpkeepError, match="is damaged"):
        remember(tmp_path, {"/a": RECORD}, OWNER)
    assert (tmp_path / FILE_NAME).read_text() == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / FILE_NAME).symlink_to("elsewhere")
    with pytest.raises(UpkeepError, match="cannot read"):
        read_records(tmp_path)


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [threading.Thread(target=remember, args=(tmp_path, {f"/{number}": RECORD}, OWNER)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads((tmp_path / FILE_NAME).read_text())) == [f"/{number}" for number in range(8)]
