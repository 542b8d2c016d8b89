"""How a tree differs from a backup, counted by the manifest."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.comparing import compare, resolve_targets


def member(path: str | Path, kind: str = "file", **more: object) -> Member:
    """Return the member as it is on disk now."""
    status = os.lstat(path)
    size = status.st_size if kind == "file" else 0
    target = os.readlink(path) if kind == "symlink" else ""
    given = {"size": size, "mode": status.st_mode & 0o7777, "mtime_ns": status.st_mtime_ns, "target": target, **more}
    return Member(f"files{path}", kind, **given)


def test_added_changed_removed_and_what_stays(tmp_path: Path) -> None:
    root = tmp_path / "app"
    (root / "node_modules" / "a").mkdir(parents=True)
    for name in ("same", "resized", "touched", "extra", "moded"):
        (root / name).write_text("12345")
    (root / "link").symlink_to("same")
    members = [
        member(root, "directory"), member(root / "same"), member(root / "resized", size=4), member(root / "link", "symlink"),
        member(root / "touched", mtime_ns=1_000_000_000), member(root / "moded", mode=0o600),
        Member(f"files{root}/gone", "file", size=9), Member("dumps/db", "file", size=99), Member("files/other", "file", size=99),
    ]
    (difference,) = compare([str(root)], members, [str(root / "node_modules")])
    assert (difference.added, difference.changed, difference.same, difference.removed) == (1, 3, 3, 1)
    assert difference.bytes == 5 + 4 + 5 + 5 + 9
    assert "1 added, 3 changed, 1 removed" in difference.sentence()


def test_a_bare_host_a_single_file_and_a_target_that_the_backup_does_not_hold(tmp_path: Path) -> None:
    unit = tmp_path / "x.service"
    unit.write_text("[Unit]")
    gone, file, empty = compare(
        [str(tmp_path / "gone"), str(unit), str(tmp_path / "empty")],
        [Member(f"files{tmp_path}/gone", "directory"), Member(f"files{tmp_path}/gone/a", "file"), member(unit)], [],
    )
    assert (gone.exists, gone.added, gone.removed) == (False, 2, 0)
    assert "is not there; 2 files and folders" in gone.sentence()
    assert (file.same, file.removed) == (1, 0)
    assert empty.members == 0 and "holds nothing of it" in empty.sentence()


def test_names_that_begin_alike_are_different_targets(tmp_path: Path) -> None:
    (difference,) = compare(["/srv/app"], [Member("files/srv/app2/a", "file")], [])
    assert difference.members == 0


def test_names_that_are_no_utf8_are_found_on_disk(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff"
    with open(path, "wb"):
        pass
    os.utime(path, (5, 5))
    name = path.decode("utf-8", "surrogateescape")
    (difference,) = compare([str(tmp_path)], [Member(f"files{name}", "file", mode=os.lstat(path).st_mode & 0o7777, mtime_ns=5_000_000_000)], [])
    assert difference.same == 1


def test_wildcards_stand_for_what_the_backup_has() -> None:
    members = [Member(f"files/{name}", "file") for name in ("etc/a.conf", "etc/b.conf", "etc/sub/c.conf", "etc/d.txt")]
    assert resolve_targets(["/opt/x", "/etc/*.conf"], lambda: members) == ["/opt/x", "/etc/a.conf", "/etc/b.conf"]
    assert resolve_targets(["/etc/*.none"], lambda: members) == ["/etc/*.none"]
