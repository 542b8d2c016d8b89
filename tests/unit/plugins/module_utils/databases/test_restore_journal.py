"""The journal of restores."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restore_journal import (
    DONE,
    STAGING,
    UNDONE,
    Entry,
    Journal,
    choose,
    read_journals,
    remove_journal,
    write_journal,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

SHOP = DumpSpec("shop.pgdump", "postgresql", database="shop", user="u", password="hush hush", port=5433)
CACHE = DumpSpec("redis.rdb", "redis", unit="redis.service")


def journal(restore_id: str, second: int, phase: str = DONE, *specs: DumpSpec) -> Journal:
    entries = [Entry(spec, existed=True) for spec in specs or (SHOP,)]
    return Journal(restore_id, f"2026-11-22T01:43:{second:02d}.000001+00:00", "/b/x.tar.zst", phase, entries)


def test_what_is_written_is_read_without_the_password(tmp_path: Path) -> None:
    write_journal(journal("0000000b", 2, STAGING, SHOP, CACHE), str(tmp_path))
    write_journal(journal("0000000a", 1), str(tmp_path))
    first, second = read_journals(str(tmp_path))
    assert (first.restore_id, second.restore_id, second.phase) == ("0000000a", "0000000b", STAGING)
    assert second.entries[0].spec == DumpSpec("shop.pgdump", "postgresql", database="shop", user="u", port=5433)
    assert second.entries[1].spec == CACHE and second.entries[1].existed
    for path in (tmp_path / "database-restores").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600 and "hush" not in path.read_text()
    remove_journal("0000000a", str(tmp_path))
    remove_journal("0000000a", str(tmp_path))
    assert [one.restore_id for one in read_journals(str(tmp_path))] == ["0000000b"]


def test_no_folder_is_no_journal(tmp_path: Path) -> None:
    assert read_journals(str(tmp_path / "nothing")) == []


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"id": "0000000c"}',
    '{"schema": 9, "id": "0000000c", "started": "", "path": "", "phase": "done", "dumps": []}',
])
def test_one_that_cannot_be_read_stops_everything_and_says_where_to_look(tmp_path: Path, text: str) -> None:
    write_journal(journal("0000000c", 1), str(tmp_path))
    (tmp_path / "database-restores" / "0000000c.json").write_text(text)
    with pytest.raises(UpkeepError, match=r"0000000c\.json cannot be read .* see which databases have names with _upkeep_ or _previous_"):
        read_journals(str(tmp_path))


def test_the_newest_that_holds_a_database_is_meant() -> None:
    known = [journal("0000000a", 1), journal("0000000b", 2), journal("0000000c", 3, UNDONE), journal("0000000d", 4, DONE, CACHE)]
    assert choose(known, None, [SHOP], [DONE]).restore_id == "0000000b"
    assert choose(known, None, [SHOP], [DONE, UNDONE]).restore_id == "0000000c"
    assert choose(known, "0000000a", [], [DONE]).restore_id == "0000000a"
    with pytest.raises(UpkeepError, match="no previous data are kept of the restore 0000000c; kept: 0000000a, 0000000b, 0000000d"):
        choose(known, "0000000c", [SHOP], [DONE])
    with pytest.raises(UpkeepError, match="no previous data are kept of these databases; kept: none"):
        choose([], None, [SHOP], [DONE])
