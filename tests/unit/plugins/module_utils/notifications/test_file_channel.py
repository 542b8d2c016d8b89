"""The channel file: whole lines or nothing, and only into plain files."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.file_channel import append_line, file_line
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import test_message as a_test_message


def test_a_line_holds_the_message() -> None:
    message = a_test_message("P", run_id="r", at="now", contact="admin", channel="file")
    line = file_line(message, audiences=("operations",), now=datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc))
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line)["audiences"] == ["operations"] and json.loads(line)["time"] == "2026-11-22T05:00:00Z"


def test_lines_are_appended_and_a_torn_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    append_line(path, b"one\n")
    assert path.stat().st_mode & 0o777 == 0o640 & ~current_umask()
    append_line(path, b"two\n")
    with path.open("ab") as stream:
        stream.write(b"torn")
    append_line(path, b"three\n")
    assert path.read_bytes() == b"one\ntwo\ntorn\nthree\n"


def current_umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"")
    (tmp_path / "link").symlink_to(target)
    os.link(target, tmp_path / "twin")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "twin", "pipe", "missing/x", "."):
        with pytest.raises(ChannelFailed):
            append_line(tmp_path / name, b"x\n")
    assert target.read_bytes() == b""


def test_a_full_disk_leaves_no_half_line() -> None:
    with pytest.raises(ChannelFailed, match="no plain file|cannot be"):
        append_line(Path("/dev/full"), b"x\n")


def test_a_path_that_is_none_fails_this_channel_only(tmp_path: Path) -> None:
    with pytest.raises(ChannelFailed, match="NUL"):
        append_line(tmp_path / "a\0b", b"x\n")
