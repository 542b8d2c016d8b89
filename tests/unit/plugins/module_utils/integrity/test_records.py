"""A line of a baseline holds any name, and two lines tell what differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import (
    Record,
    differences,
    escaped,
    line_of,
    order_of,
    path_of,
    read_line,
    unescaped,
)

RECORD = Record("/a", 0o100644, 0, 0, 4, "1 2 3", "ab", "", "")


@pytest.mark.parametrize(
    "text", ["plain", "a\nb", "a\tb", "back\\slash", "\\n", "\\\\t\n\t", "\x1b[31m", os.fsdecode(b"\xff\xfe"), "{", " a  b "]
)
def test_a_name_comes_back_as_it_was_and_takes_one_field(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert not {"\n", "\t"} & set(escaped(text))


def test_a_line_tells_of_a_file_and_of_a_link(tmp_path: Path) -> None:
    path = tmp_path / "a\tb\nc"
    path.write_bytes(b"1234")
    path.chmod(0o4755)
    status = path.lstat()
    line = line_of(escaped(str(path)), status, "ab" * 32, "0100")
    assert path_of(line) == str(path)
    record = read_line(line)
    assert record[:5] == (str(path), status.st_mode, status.st_uid, status.st_gid, 4)
    assert record.stamp == f"{status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"
    assert (record.kind, record.permissions, record.sha256, record.capabilities) == ("file", "4755", "ab" * 32, "0100")
    assert record.runs_with_rights_of_others
    link = tmp_path / "link"
    link.symlink_to("to\tnowhere")
    record = read_line(line_of(str(link), link.lstat(), target="to\tnowhere"))
    assert (record.kind, record.target, record.size, record.stamp) == ("link", "to\tnowhere", 0, "0 0 0")


def test_a_device_is_told_from_another_one() -> None:
    null, zero = (read_line(line_of("/d", os.lstat(path))) for path in ("/dev/null", "/dev/zero"))
    assert null.kind == "character device"
    assert set(differences(null, zero)) == {"size"}


@pytest.mark.parametrize("line", ["", "\n", "{}", "/a\t1 2 3\ta\t\t\n", "/a\tx 0 0 0 0 0 0\t\t\t\n", "a\t1 0 0 0 0 0 0\t\t\t\n", "/a\t\t\n"])
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        read_line(line)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"stamp": "9 9 9"}, {}),
        ({"sha256": "cd"}, {"sha256": ["ab", "cd"]}),
        ({"sha256": ""}, {"sha256": ["ab", None]}),
        ({"size": 5}, {"size": [4, 5]}),
        ({"mode": 0o104644}, {"mode": ["0644", "4644"]}),
        ({"mode": 0o120777, "target": "/x"}, {"type": ["file", "link"], "mode": ["0644", "0777"], "target": [None, "/x"]}),
        ({"owner": 7, "group": 8}, {"owner": [0, 7], "group": [0, 8]}),
        ({"capabilities": "01"}, {"capabilities": [None, "01"]}),
    ],
)
def test_what_differs_is_named_with_both_values(change: dict[str, object], expected: dict[str, object]) -> None:
    assert differences(RECORD, RECORD._replace(**change)) == expected


def test_a_folder_comes_directly_before_what_is_in_it() -> None:
    paths = ["/a-b", "/a/z", "/a b", "/a", "/a/b/c", "/a/b"]
    assert sorted(paths, key=order_of) == ["/a", "/a/b", "/a/b/c", "/a/z", "/a b", "/a-b"]
