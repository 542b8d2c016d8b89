"""Who has a file open for writing, seen on real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import (
    Writer,
    Writers,
    find_writers,
    identity_of,
    wait_until_left,
)

_HOLD = "import os, sys; os.open(sys.argv[1], int(sys.argv[2])); print(flush=True); sys.stdin.read()"


@contextmanager
def holding(path: Path, flags: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path), str(flags)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    process.stdout.readline()
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("line\n")
    return path


@pytest.mark.parametrize(
    ("flags", "appends"), [(os.O_WRONLY, False), (os.O_RDWR, False), (os.O_WRONLY | os.O_APPEND, True), (os.O_RDONLY, None)]
)
def test_a_process_that_has_the_file_open(log: Path, flags: int, appends: bool | None) -> None:
    file = identity_of(log.stat())
    with holding(log, flags) as process:
        moved = log.rename(log.with_name("moved"))
        log.write_text("the new one\n")
        found = find_writers({file, identity_of(log.stat())})
        expected = {} if appends is None else {file: [Writer(process.pid, appends)]}
        assert found.by_file == expected
        assert identity_of(moved.stat()) == file
    assert find_writers({file}).by_file == {}


def test_waiting_ends_with_the_last_writer_or_in_time(log: Path) -> None:
    file = identity_of(log.stat())
    with holding(log, os.O_WRONLY) as process:
        began = time.monotonic()
        assert [writer.pid for writer in wait_until_left({file}, 0.3).by_file[file]] == [process.pid]
        assert time.monotonic() - began >= 0.3
        assert process.stdin is not None
        threading.Timer(0.2, process.stdin.close).start()
        assert wait_until_left({file}, 60).by_file == {}


def test_a_writer_that_hands_its_file_on_during_the_look_is_found(log: Path) -> None:
    """The first look finds nobody, as when a child of a process that was looked at already got the file from it."""
    file = identity_of(log.stat())
    answers = [Writers({}, 0), Writers({file: [Writer(7, True)]}, 0), Writers({}, 0), Writers({}, 0), Writers({}, 0)]
    asked: list[object] = []

    def look(files: object, pids: object = None) -> Writers:
        asked.append(pids)
        return answers.pop(0)

    assert wait_until_left({file}, 5, look).by_file == {}
    assert asked == [None, None, {7}, None, None], "two looks at all processes confirm that nobody writes"


def test_where_processes_cannot_be_seen_nobody_says_that_none_writes(tmp_path: Path) -> None:
    assert find_writers({(1, 1)}, proc=str(tmp_path / "missing")) == Writers({}, 1)
    (tmp_path / "4194000").mkdir()  # a process whose folder fd is gone has ended
    assert find_writers({(1, 1)}, proc=str(tmp_path)) == Writers({}, 0)
