"""What restic lists, and which of it counts."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.attempts import Attempts
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import Contents, member_name, parse_node
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.judged import dump_differences
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.locks import Lock, all_dead, parse_lock, words
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import choose, finished, moment, parse_snapshots

FIRST, SECOND = "20261121T020000Z-00000001", "20261122T020000Z-00000002"


def row(number: int, day: int, backup_id: str = "", **more: Any) -> dict[str, Any]:
    tags = ["upkeep", "label=shop", f"backup_id={backup_id}"] if backup_id else None
    time = f"2026-11-{day}T02:00:00.123456789+01:00"
    return {"id": f"{number:064x}", "time": time, "hostname": "app1", "paths": ["/a"], "tags": tags, **more}


def test_snapshots_are_read_newest_first_with_what_newer_versions_say() -> None:
    listed = [row(1, 21, FIRST), row(2, 22, SECOND, summary={"total_bytes_processed": 7, "total_files_processed": 3}), row(3, 20)]
    found = parse_snapshots(listed)
    assert [(one.short, one.backup_id, one.label, one.bytes) for one in found] == [
        ("00000000", SECOND, "shop", 7), ("00000000", FIRST, "shop", None), ("00000000", "", "", None),
    ]
    assert found[0].created == datetime(2026, 11, 22, 1, 0, tzinfo=timezone.utc) and parse_snapshots(None) == []
    assert [one.backup_id for one in finished(found, {SECOND, ""})] == [FIRST, ""]


@pytest.mark.parametrize("listed", [{}, [{}], [None], [row(1, 21) | {"time": "yesterday"}], [row(1, 21) | {"id": "../x"}]])
def test_what_is_no_list_of_snapshots_is_refused(listed: Any) -> None:
    with pytest.raises(UpkeepError, match="is its version supported"):
        parse_snapshots(listed)


def test_one_snapshot_is_chosen() -> None:
    found = parse_snapshots([row(1, 21, FIRST), {**row(2, 22, SECOND), "id": "ab" * 32}])
    assert choose(found, "latest").id == "ab" * 32 and choose(found, FIRST).backup_id == FIRST
    assert choose(found, "abababab").short == "abababab"
    for wanted, said in (("abab", "no snapshot that counts is called abab"), ("", "no snapshot"), ("cd" * 4, "the newest are abababab")):
        with pytest.raises(UpkeepError, match=said):
            choose(found, wanted)
    with pytest.raises(UpkeepError, match="the newest are none"):
        choose([], "latest")


def test_times() -> None:
    assert moment("2026-11-22T01:43:56Z") == moment("2026-11-22T02:43:56.000000001+01:00")
    with pytest.raises(ValueError, match="is no time"):
        moment("2026-11-22")


def test_unfinished_backups_are_kept_until_their_end_was_seen(tmp_path: Path) -> None:
    attempts, other = Attempts(str(tmp_path / "state"), "/srv/a"), Attempts(str(tmp_path / "state"), "/srv/b")
    assert attempts.unfinished() == [] and attempts.known_repository() == ""
    attempts.begin(FIRST, "r1")
    attempts.begin(SECOND, "r1")
    other.begin(SECOND, "r2")
    attempts.end({FIRST})
    assert attempts.unfinished() == [SECOND] == other.unfinished()
    assert (attempts.known_repository(), other.known_repository()) == ("r1", "r2")
    assert (tmp_path / "state" / "restic.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "state" / "restic.json").write_text("[")
    with pytest.raises(UpkeepError, match="damaged"):
        attempts.unfinished()


def test_locks_and_whose_they_are() -> None:
    text = {"time": "2026-11-22T01:43:56.1Z", "exclusive": True, "hostname": "vm", "username": "root", "pid": os.getpid()}
    alive = parse_lock(json.dumps(text))
    dead = parse_lock(json.dumps({**text, "pid": 2**22 + 7}))
    assert alive and dead and alive.exclusive and parse_lock("{}") is None and parse_lock("x") is None
    assert all_dead([dead], "vm") and not all_dead([dead], "other") and not all_dead([], "vm")
    assert not all_dead([dead, alive], "vm") and not all_dead([dead, None], "vm")
    assert words([dead], "vm").endswith("unlock: true removes such a lock")
    assert words([alive], "vm") == f"process {os.getpid()} of root on vm since 2026-11-22T01:43:56Z" and words([None], "vm")
    assert words([Lock(f"h{number}", 1, "u", "2026", False) for number in range(5)], "vm").endswith("and 2 more")


def test_nodes_and_dumps() -> None:
    node = parse_node(b'{"name":"f","type":"file","path":"/a/f","size":3,"mode":420,"struct_type":"node"}')
    assert node is not None and (node.path, node.size) == ("/a/f", 3)
    assert parse_node(b'{"struct_type":"snapshot","paths":["/a"]}') is None and parse_node(b"\xff") is None
    assert [member_name(path) for path in ("/manifest.json", "/dumps/x", "/dumps", "/opt/a")] == [
        "manifest.json", "dumps/x", "files/dumps", "files/opt/a",
    ]
    header = {"dumps": [{"member": "dumps/a", "bytes": 3}, {"member": "dumps/b", "bytes": 4}, {"member": "dumps/c", "bytes": 5}]}
    assert dump_differences(header, Contents(dumps={"dumps/a": 3, "dumps/b": 9})) == [
        "dumps/b has 9 bytes and not 4", "dumps/c is in the manifest and not in the snapshot",
    ]
