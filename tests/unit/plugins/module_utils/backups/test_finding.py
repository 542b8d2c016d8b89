"""Backups in folders: newest first, and whatever else is called like one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups import finding
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import find_in_directory, find_path


def names(found: finding.Found) -> list[str]:
    return [Path(file.path).name for file in found.files]


def test_the_newest_by_name_comes_first_and_others_are_left_out(tmp_path: Path) -> None:
    for number, name in enumerate(["b_20260103_000000.tar", "b_20260101_000000.tar", "b_20260102_000000.tar", "c.tar", "b.json"]):
        (tmp_path / name).write_bytes(bytes(number))
        os.utime(tmp_path / name, (number, number))
    found = find_in_directory(str(tmp_path), ["b_*.tar"])
    assert names(found) == ["b_20260103_000000.tar", "b_20260102_000000.tar", "b_20260101_000000.tar"]
    assert (found.entries, found.others, found.problem, found.absent) == (5, [], "", "")
    assert find_in_directory(str(tmp_path), ["x*"]).files == []


def test_pipes_folders_sockets_and_links_are_no_backups(tmp_path: Path) -> None:
    (tmp_path / "real.tar").write_bytes(b"1")
    (tmp_path / "folder.tar").mkdir()
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / "link.tar").symlink_to("/etc/passwd")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.tar"))
        found = find_in_directory(str(tmp_path), ["*.tar"])
    assert names(found) == ["real.tar"]
    assert sorted((Path(path).name, kind) for path, kind in found.others) == [
        ("folder.tar", "a folder"), ("link.tar", "a symbolic link"), ("pipe.tar", "a pipe"), ("socket.tar", "a socket"),
    ]


def test_a_link_is_followed_only_to_a_name_beside_it(tmp_path: Path) -> None:
    (tmp_path / "real.tar").write_bytes(b"1")
    (tmp_path / "latest.tar").symlink_to("real.tar")
    (tmp_path / "away.tar").symlink_to("/etc/passwd")
    (tmp_path / "up.tar").symlink_to("../real.tar")
    (tmp_path / "twice.tar").symlink_to("latest.tar")
    (tmp_path / "loop.tar").symlink_to("loop.tar")
    (tmp_path / "broken.tar").symlink_to("gone.tar")
    assert names(find_path(str(tmp_path / "latest.tar"))) == ["real.tar"]
    for name in ("away.tar", "up.tar", "twice.tar", "loop.tar"):
        found = find_path(str(tmp_path / name))
        assert (found.files, [kind for _path, kind in found.others]) == ([], ["a symbolic link"]), name
    assert "gone.tar does not exist" in find_path(str(tmp_path / "broken.tar")).absent


def test_what_does_not_exist_is_absent_and_what_cannot_be_seen_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert "does not exist" in find_in_directory(str(tmp_path / "gone"), ["*"]).absent
    assert "is no folder" in find_in_directory(str(tmp_path / "file"), ["*"]).absent
    assert "does not exist" in find_path(str(tmp_path / "gone")).absent

    def refused(_path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(finding.os, "scandir", refused)
    found = find_in_directory(str(tmp_path), ["*"])
    assert ("Permission denied" in found.problem, found.absent, found.hint) == (True, "", finding.BECOME_HINT)


def test_a_folder_with_too_many_entries_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MAX_ENTRIES", 3)
    for number in range(4):
        (tmp_path / f"{number}.tar").write_text("")
    assert "more than 3 entries" in find_in_directory(str(tmp_path), ["*.tar"]).problem
