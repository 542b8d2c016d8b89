"""Parts, blocks and processes: every line is read exactly once, whoever reads it and wherever a file is cut."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs import blocks, group_counting
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.blocks import Part, Reading, parts_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.files import LogFile, find_files
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.group_counting import count_group
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.sharing import share
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.weekly_pattern import same_hours
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import NOW, line, options


def log_file(path: Path) -> LogFile:
    (found,) = find_files([str(path)], since=0).files
    return found


def lines_of(parts: list[Part]) -> list[bytes]:
    found = []
    for part in parts:
        reading = Reading(part)
        for block in reading.blocks():
            assert block and not block.endswith(b"\n")
            found += block.split(b"\n")
        assert not reading.problem
    return found


@pytest.mark.parametrize("part_bytes", [1, 2, 3, 7, 64, 1000, 100_000])
def test_a_file_cut_anywhere_gives_every_line_once(tmp_path: Path, part_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 50)
    chance = random.Random(part_bytes)
    lines = [b"%d %s" % (number, b"x" * chance.randrange(80)) for number in range(60)]
    path = tmp_path / "a.log"
    for end in (b"", b"\n"):
        path.write_bytes(b"\n".join(lines) + end)
        found = lines_of(parts_of([log_file(path)], processes=2, part_bytes=part_bytes))
        assert sorted(found) == sorted(lines)


def test_packed_files_give_every_line_once_also_when_processes_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4096)
    lines = [b"%d %s" % (number, os.urandom(20).hex().encode()) for number in range(5000)]
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines[:100]) + b"\n") + gzip.compress(b"\n".join(lines[100:])))
    for processes in (1, 2, 3):
        parts = parts_of([log_file(path)], processes=processes, part_bytes=1 << 20)
        assert len(parts) == processes
        assert sorted(lines_of(parts)) == sorted(lines)


def test_only_gzip_is_shared_since_others_give_blocks_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "a.log.xz"
    path.write_bytes(lzma.compress(b"first\n" * 1000))
    (part,) = parts_of([log_file(path)], processes=2, part_bytes=1 << 20)
    assert lines_of([part]) == [b"first"] * 1000


def test_a_line_without_an_end_is_passed_over_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n" + b"x" * 3_000_000 + b"\nlast\n")
    parts = parts_of([log_file(path)], processes=1, part_bytes=400_000)
    readings = [Reading(part) for part in parts]
    found = [line for reading in readings for block in reading.blocks() for line in block.split(b"\n")]
    assert (sorted(found), sum(reading.too_long for reading in readings)) == ([b"first", b"last"], 1)


def test_a_hole_of_a_terabyte_takes_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("wb") as stream:
        stream.write(b"first\n")
        stream.seek(1 << 40)
        stream.write(b"\nlast\n")
    parts = parts_of([log_file(path)], processes=1, part_bytes=1 << 42)
    reading = Reading(parts[0])
    found = [line for block in reading.blocks() for line in block.split(b"\n")]
    assert found[0] == b"first" and found[-1] == b"last"


def test_a_file_that_goes_or_is_exchanged_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n")
    (part,) = parts_of([log_file(path)], processes=1, part_bytes=100)
    path.rename(tmp_path / "a.log.1")
    reading = Reading(part)
    assert (list(reading.blocks()), reading.problem) == ([], "vanished while it was read")
    path.write_bytes(b"second\n")
    reading = Reading(part)
    assert list(reading.blocks()) == [] and "exchanged" in reading.problem


def test_a_file_that_is_truncated_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"first\nsecond\n")
    (part,) = parts_of([log_file(path)], processes=1, part_bytes=100)
    path.write_bytes(b"")
    reading = Reading(part)
    assert (list(reading.blocks()), reading.problem.partition(",")[0]) == ([], "was truncated while it was read")


def test_processes_do_every_piece_once() -> None:
    for count in (0, 1, 2, 999, 1000, 2345):
        results = share(count, list, processes=3)
        assert sorted(number for result in results for number in result) == list(range(count))


def test_what_a_killed_process_had_taken_is_done_again() -> None:
    parent = os.getpid()

    def work(numbers: Iterator[int]) -> list[int]:
        done = []
        for number in numbers:
            if os.getpid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.02)
            done.append(number)
        return done

    results = share(20, work, processes=3)
    assert sorted(number for result in results for number in result) == list(range(20))


def test_what_fails_here_leaves_no_process_behind() -> None:
    parent = os.getpid()

    def work(_numbers: Iterator[int]) -> None:
        if os.getpid() == parent:
            raise ValueError("here")
        time.sleep(60)

    with pytest.raises(ValueError, match="here"):
        share(5, work, processes=2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_without_a_fork_one_process_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    assert share(5, list, processes=2) == [[0, 1, 2, 3, 4]]


def test_two_processes_count_what_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_counting, "_PART_BYTES", (10_000, 10_000))
    chance = random.Random(8)
    lines = sorted(
        line(
            NOW.replace(hour=chance.randrange(12), minute=chance.randrange(60)),
            client=f"192.0.2.{chance.randrange(250)}",
            status=chance.choice([200, 404, 500]),
            request=f"GET /{chance.choice('abc')}/{number} HTTP/1.1",
        )
        for number in range(3000)
    )
    (tmp_path / "a.log").write_text("".join(lines[:2000]))
    (tmp_path / "b.log.gz").write_bytes(gzip.compress("".join(lines[2000:]).encode()))
    (group,) = read_groups(options(paths=[str(tmp_path / "*")]))
    until = int(NOW.timestamp())
    one, two = (
        count_group(group, since=until - 86400, until=until, processes=number, share_above=0).tally for number in (1, 2)
    )
    for name in ("requests", "bytes", "routes", "refused", "latency", "first", "last", "earliest", "hours"):
        assert getattr(one, name) == getattr(two, name), name
    assert one.clients.counts == two.clients.counts
    assert one.clients.different().count() == two.clients.different().count() == 250
    assert {minute: sketch.count() for minute, sketch in one.minutes.items()} == {
        minute: sketch.count() for minute, sketch in two.minutes.items()
    }


def test_the_same_hour_of_the_week_is_that_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        monday = 1793016000 // 3600  # 2026-10-26T12:00:00Z, 13:00 in winter time; a week before it was summer
        clocks = {time.localtime(hour * 3600)[3:4] + time.localtime(hour * 3600)[6:7] for hour in [monday, *same_hours(monday)]}
        assert clocks == {(13, 0)}
        assert len(same_hours(monday)) == 5
        assert same_hours(monday)[0] == monday - 169
    finally:
        monkeypatch.undo()
        time.tzset()
