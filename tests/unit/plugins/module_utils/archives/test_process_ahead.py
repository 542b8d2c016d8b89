"""What unpacks runs in a child process: everything comes over whole, errors too, and nothing of it stays."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import piping, process_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.process_ahead import SLOT_BYTES, Unpack, read_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk, Space, own_space

LARGE = 10 * 1024 * 1024
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def budget(**limits: Any) -> Budget:
    return Budget(Limits(time.monotonic() + 60, **limits), LARGE)


def parts(sizes: list[int]) -> list[bytes]:
    chance = random.Random(1)
    return [chance.randbytes(size) for size in sizes]


def given(chunks: list[bytes], fails: BaseException | None = None) -> Generator[bytes, None, None]:
    yield from chunks
    if fails is not None:
        raise fails


def over(chunks: Generator[Chunk, None, None]) -> Unpack:
    """Have chunks come over that lie where they like."""
    return lambda _space: chunks


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    # So few that the data of these tests go through each of them more than once.
    monkeypatch.setattr(process_ahead, "_SLOTS", 16)
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("sizes", [[], [1], [0, 5, 0], [SLOT_BYTES], [SLOT_BYTES, 1] * 20, [7] * 5000, [200_000] * 100])
def test_all_comes_over_and_is_counted(sizes: list[int]) -> None:
    counted = budget()
    chunks = parts(sizes)
    with read_ahead(over(given(chunks)), LARGE, counted, outermost=True) as ahead:
        assert b"".join(bytes(chunk) for chunk in ahead) == b"".join(chunks)
    assert counted.unpacked_bytes == sum(sizes)


@pytest.mark.parametrize("sizes", [[SLOT_BYTES] * 50, [1, SLOT_BYTES, 300_000] * 20])
def test_what_is_unpacked_into_the_shared_memory_comes_over_as_it_is(sizes: list[int]) -> None:
    chunks = parts(sizes)

    def unpack(space: Space) -> Generator[Chunk, None, None]:
        for chunk in chunks:
            view = space()
            assert len(view) == SLOT_BYTES
            view[: len(chunk)] = chunk
            yield view[: len(chunk)]

    with read_ahead(unpack, LARGE, budget(), outermost=True) as ahead:
        assert [bytes(chunk) for chunk in ahead] == chunks  # each by itself: nothing was copied together


def test_an_error_comes_behind_what_was_unpacked_into_the_shared_memory() -> None:
    def unpack(space: Space) -> Generator[Chunk, None, None]:
        for _turn in range(20):
            space()[:3] = b"abc"
            yield space()[:3]
        raise Damaged("is cut off", offset=7, cut_off=True)

    read: list[bytes] = []
    with pytest.raises(Damaged, match="is cut off"):
        with read_ahead(unpack, LARGE, budget(), outermost=True) as ahead:
            read.extend(bytes(chunk) for chunk in ahead)
    assert read == [b"abc"] * 20


def test_what_cannot_be_unpacked_at_all_says_why() -> None:
    def refuse(_space: Space) -> Generator[Chunk, None, None]:
        raise Unread("is no tar archive")

    with pytest.raises(Unread, match="is no tar archive"):
        with read_ahead(refuse, LARGE, budget(), outermost=True) as ahead:
            list(ahead)


def test_what_the_child_knows_at_its_end_is_told() -> None:
    pids: list[int] = []
    told: list[Any] = []

    def chunks() -> Generator[bytes, None, None]:
        yield b"x"
        pids.append(os.getpid())

    with read_ahead(over(chunks()), LARGE, budget(), outermost=True, outcome=lambda: list(pids), take_outcome=told.append) as ahead:
        assert [bytes(chunk) for chunk in ahead] == [b"x"]
    assert not pids and len(told) == 1 and told[0] != [os.getpid()]


def test_an_error_comes_behind_what_was_before_it() -> None:
    chunks = parts([300_000] * 30)
    read = 0
    with pytest.raises(Damaged, match="is cut off") as caught:
        with read_ahead(over(given(chunks, Damaged("is cut off", offset=7, cut_off=True))), LARGE, budget(), outermost=True) as ahead:
            for chunk in ahead:
                read += len(chunk)
    assert (read, caught.value.offset, caught.value.cut_off) == (9_000_000, 7, True)


def test_the_limit_holds_in_this_process_too() -> None:
    # The child counts what it unpacks; here archives inside are counted as well.
    counted = budget(ratio=0.0)
    counted.unpacked(200 * 1024 * 1024)
    with pytest.raises(Unread, match="unpacks to more"):
        with read_ahead(over(given([bytes(SLOT_BYTES)] * 200)), LARGE, counted, outermost=True) as ahead:
            for _chunk in ahead:
                pass


@pytest.mark.parametrize("read", [0, 1, 3])
def test_a_reader_that_stops_ends_the_child(read: int) -> None:
    def endless() -> Generator[bytes, None, None]:
        while True:
            yield bytes(SLOT_BYTES)

    with read_ahead(over(endless()), LARGE, budget(), outermost=True) as ahead:
        for _turn in range(read):
            next(ahead)


def test_a_child_that_dies_is_unknown_and_not_the_end() -> None:
    def killed() -> Generator[bytes, None, None]:
        yield bytes(100)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Unread, match="the process that unpacks it died"):
        with read_ahead(over(killed()), LARGE, budget(), outermost=True) as ahead:
            list(ahead)


def no_process() -> int:
    raise BlockingIOError("no more processes")


@pytest.mark.parametrize(
    ("size", "outermost", "fork", "where"),
    [(LARGE, True, os.fork, "child"), (LARGE, True, no_process, "here"), (LARGE, False, os.fork, "here"), (5, True, os.fork, "here")],
)
def test_a_thread_or_nothing_takes_its_place(
    size: int, outermost: bool, fork: Callable[[], int], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_ahead.os, "fork", fork)

    def chunks() -> Generator[bytes, None, None]:
        yield str(os.getpid()).encode()

    with read_ahead(over(chunks()), size, budget(), outermost=outermost) as ahead:
        pid = int(b"".join(bytes(chunk) for chunk in ahead))
    assert (pid == os.getpid()) == (where == "here")


def no_room(*_given: Any, **_keys: Any) -> Any:
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def second_pipe_fails() -> Callable[[], tuple[int, int]]:
    made: list[int] = []

    def pipe() -> tuple[int, int]:
        if made:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.extend(os_pipe())
        return made[0], made[1]

    os_pipe = os.pipe
    return pipe


@pytest.mark.parametrize("missing", ["memory", "first pipe", "second pipe", "process"])
@pytest.mark.parametrize("thread", [True, False])
def test_on_a_host_that_has_no_room_it_is_read_here(missing: str, thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    if missing == "memory":
        monkeypatch.setattr(process_ahead.mmap, "mmap", no_room)
    else:
        fails = {"first pipe": ("pipe", no_room), "second pipe": ("pipe", second_pipe_fails()), "process": ("fork", no_room)}
        monkeypatch.setattr(process_ahead.os, *fails[missing])
    if not thread:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
    chunks = parts([300_000] * 30)
    ended: list[bool] = []

    def watched() -> Generator[bytes, None, None]:
        try:
            yield from chunks
        finally:
            ended.append(True)

    with read_ahead(over(watched()), LARGE, budget(), outermost=True) as ahead:
        assert bytes(next(ahead)) == chunks[0]
    assert ended == [True]
    with read_ahead(over(given(chunks)), LARGE, budget(), outermost=True) as ahead:
        assert b"".join(bytes(chunk) for chunk in ahead) == b"".join(chunks)


def test_a_process_that_ignores_the_end_of_its_children_reads_all_the_same() -> None:
    """A service may have been started so, and hands it down."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with read_ahead(over(given(parts([300_000] * 30))), LARGE, budget(), outermost=True) as ahead:
            assert sum(map(len, ahead)) == 9_000_000
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_many_one_after_another_leave_no_memory_behind() -> None:
    def shared() -> int:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            return sum("/dev/zero" in line for line in maps)

    before = shared()
    for _turn in range(30):
        with read_ahead(over(given([bytes(1000)])), LARGE, budget(), outermost=True) as ahead:
            next(ahead)
    assert shared() <= before + 1


def test_two_at_once_do_not_wait_for_each_other() -> None:
    with read_ahead(over(given([bytes(SLOT_BYTES)] * 100)), LARGE, budget(), outermost=True) as outer:
        next(outer)
        with read_ahead(over(given([bytes(SLOT_BYTES)] * 100)), LARGE, budget(), outermost=True) as inner:
            next(inner)
        assert sum(map(len, outer)) == 99 * SLOT_BYTES


@pytest.mark.parametrize("missing", ["process", "thread"])
def test_a_program_that_cannot_be_started_is_unknown(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    if missing == "process":
        monkeypatch.setattr(piping.subprocess, "Popen", no_room)
    else:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
    with pytest.raises(Unread, match="was not read"):
        for _part in piping.piped(("cat",), [b"x"], budget(), lambda _chunk: None, own_space()):
            pass


def test_the_child_ends_with_its_parent() -> None:
    """Who is killed leaves no process that holds a lock or goes on reading."""
    read_end, write_end = os.pipe()
    middle = os.fork()
    if not middle:
        os.close(read_end)

        def endless() -> Generator[bytes, None, None]:
            os.write(write_end, f"{os.getpid()}\n".encode())
            while True:
                yield bytes(SLOT_BYTES)

        with read_ahead(over(endless()), LARGE, budget(), outermost=True) as ahead:
            next(ahead)
            signal.pause()
        os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        assert int(pipe.readline()) > 0
        os.kill(middle, signal.SIGKILL)
        os.waitpid(middle, 0)
        # The last one that holds the other end of the pipe is the child of the one that was killed.
        assert pipe.read() == ""
