"""Members are hashed by a third process: each one that differs is told, and the death of any of the three is no good result."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import hashing_beside, process_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.hashing_beside import SLOTS_AT_ONCE, ExpectedDigests
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.process_ahead import SLOT_BYTES, read_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk

#: So few that the data go through each of them more than once.
SLOTS = 16
LARGE = 10 * 1024 * 1024
WRONG = b"0" * 64
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


class Told(ExpectedDigests):
    """Digests that are expected, and what is told of them.

    :ivar first: number and name of what differs.
    :ivar counts: how many of them, each time that was told.
    """

    def __init__(self, most: int = 20) -> None:
        super().__init__(most, self._take)
        self.first: list[tuple[int, bytes]] = []
        self.counts: list[int] = []

    def _take(self, first: Sequence[tuple[int, bytes]], count: int) -> None:
        self.first += first
        self.counts.append(count)


def given(data: bytes, fails: Callable[[], None] = lambda: None) -> Generator[bytes, None, None]:
    for at in range(0, len(data), 200_000):
        yield data[at : at + 200_000]
    fails()


def ahead(chunks: Generator[bytes, None, None], expected: ExpectedDigests) -> AbstractContextManager[Iterator[Chunk]]:
    return read_ahead(lambda _space: chunks, LARGE, Budget(Limits(time.monotonic() + 60), LARGE), outermost=True, expected=expected)


def hashed(data: bytes, sizes: Sequence[int], expected: ExpectedDigests, fails: Callable[[], None] = lambda: None, wrong: Any = ()) -> None:
    """Read data as parts of these sizes; each is added when what lies before it was read, as members are behind their headers.

    :param wrong: numbers of the parts that must have another digest than they have.
    """
    left = list(enumerate(sizes))
    start = position = 0
    with ahead(given(data, fails), expected) as chunks:
        for chunk in chunks:
            position += len(chunk)
            while left and start <= position:
                number, size = left.pop(0)
                sha256 = WRONG if number in wrong else hashlib.sha256(data[start : start + size]).hexdigest().encode()
                expected.add(start, size, sha256, number, b"%d" % number)
                start += size


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    monkeypatch.setattr(hashing_beside.os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(process_ahead, "_SLOTS", SLOTS)
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture(scope="module")
def data() -> bytes:
    return random.Random(4).randbytes((SLOTS + 9) * SLOT_BYTES + 77)


#: Parts within a slot, at its very end, none at all, over two slots, over more slots than there are.
SIZES = {
    "small": [1000, 0, 24, 7] * 3000,
    "slots": [400_000, 0, 0] + [400_000] * 30,
    "over slots": [3, 700_000, SLOT_BYTES, 5 * SLOT_BYTES, 0, 100],
    "over all": [(SLOTS + 4) * SLOT_BYTES, 1, 2 * SLOT_BYTES],
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_what_has_its_digest_is_not_told(data: bytes, sizes: list[int]) -> None:
    expected = Told()
    hashed(data, sizes, expected)
    assert (expected.added, expected.first, expected.counts) == (len(sizes), [], [0])


def test_no_slot_is_filled_again_before_it_is_hashed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10**6))

    def slow(*content: memoryview) -> Any:
        if next(calls) % 10 == 0:  # long enough for all slots to be filled with what comes later
            time.sleep(0.1)
        return hashlib.sha256(*content)

    monkeypatch.setattr(hashing_beside, "_new_hash", slow)
    expected = Told()
    hashed(data, [SLOT_BYTES // 2] * 48, expected)
    assert (expected.added, expected.first, expected.counts) == (48, [], [0])


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_each_part_that_differs_is_told(data: bytes, sizes: list[int]) -> None:
    for number in {0, 1, 2, len(sizes) // 2, len(sizes) - 1} & set(range(len(sizes))):
        expected = Told()
        hashed(data, sizes, expected, wrong={number})
        assert (expected.first, expected.counts) == ([(number, b"%d" % number)], [1])


def test_many_that_differ_are_counted_and_the_first_are_told(data: bytes) -> None:
    expected = Told(most=3)
    hashed(data, [1000] * 500, expected, wrong=range(7, 500))
    assert (expected.first, expected.counts) == ([(7, b"7"), (8, b"8"), (9, b"9")], [493])


def test_what_lies_before_damage_is_told_and_what_it_cuts_off_is_not(data: bytes) -> None:
    def damaged() -> None:
        raise Damaged("is cut off", offset=7, cut_off=True)

    expected = Told()
    with pytest.raises(Damaged, match="is cut off"):
        hashed(data[:1_000_000], [300_000, 300_000, 300_000, 300_000], expected, damaged, wrong=range(4))
    assert (expected.added, expected.first) == (4, [(0, b"0"), (1, b"1"), (2, b"2")])


def test_what_ends_where_a_reader_gives_up_is_told(data: bytes) -> None:
    expected = Told()
    with pytest.raises(Damaged, match="a wrong header"):
        with ahead(given(data), expected) as chunks:
            next(chunks)
            expected.add(100, 1000, WRONG, 1, b"one")
            expected.add(SLOT_BYTES - 1000, 2000, WRONG, 2, b"two")
            raise Damaged("has a wrong header")
    assert expected.first == [(1, b"one")]


def test_what_is_added_too_late_is_no_good_result(data: bytes) -> None:
    expected = Told()
    with pytest.raises(Unread, match="the process that hashes its members died"):
        with ahead(given(data), expected) as chunks:
            for _slot in range(SLOTS_AT_ONCE + 1):
                next(chunks)
            expected.add(5, 1, hashlib.sha256(data[5:6]).hexdigest().encode(), 1, b"late")
            assert sum(map(len, chunks)) > 0


def test_a_part_that_never_ends_is_no_good_result(data: bytes) -> None:
    with pytest.raises(Unread, match="the process that hashes its members died"):
        hashed(data, [len(data) + 1], Told())


def killed_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Let the process that hashes be killed when it begins a slot."""
    calls: list[int] = []
    hash_slot = hashing_beside._Hashing._hash_slot

    def hash_or_die(hashing: Any, length: int) -> None:
        calls.append(length)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        hash_slot(hashing, length)

    monkeypatch.setattr(hashing_beside._Hashing, "_hash_slot", hash_or_die)


@pytest.mark.parametrize("call", [1, 5, 20, 28])
def test_the_death_of_who_hashes_is_unknown(data: bytes, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Early, late, and at the last slots, when all was read."""
    killed_at(monkeypatch, call)
    expected = Told()
    with pytest.raises(Unread, match="the process that hashes its members died"):
        hashed(data, [400_000] * 30, expected)
    assert expected.counts == []


def test_damage_is_told_though_who_hashes_died(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged() -> None:
        raise Damaged("is cut off", offset=7, cut_off=True)

    killed_at(monkeypatch, 1)
    with pytest.raises(Damaged, match="is cut off"):
        hashed(data[:1_000_000], [300_000] * 3, Told(), damaged)


def test_the_death_of_who_unpacks_is_unknown(data: bytes) -> None:
    with pytest.raises(Unread, match="the process that unpacks it died"):
        hashed(data, [400_000] * 30, Told(), lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("missing", ["processor", "process", "pipe"])
def test_where_it_cannot_be_had_who_reads_hashes(data: bytes, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_after(works: int, call: Callable[[], Any]) -> Callable[[], Any]:
        calls: list[int] = []

        def limited() -> Any:
            calls.append(1)
            if len(calls) > works:
                raise OSError("no more of them")
            return call()

        return limited

    if missing == "processor":
        monkeypatch.setattr(hashing_beside.os, "sched_getaffinity", lambda _pid: {0})
    elif missing == "process":
        monkeypatch.setattr(hashing_beside.os, "fork", fails_after(1, os.fork))
    else:
        monkeypatch.setattr(hashing_beside.os, "pipe", fails_after(3, os.pipe))
    expected = Told()
    with ahead(given(data), expected) as chunks:
        assert not expected.elsewhere
        assert sum(map(len, chunks)) == len(data)
    assert expected.counts == []


def test_it_is_there_only_while_an_archive_is_read(data: bytes) -> None:
    expected = Told()
    with ahead(given(data), expected) as chunks:
        assert expected.elsewhere
        assert b"".join(bytes(chunk) for chunk in chunks) == data
    assert not expected.elsewhere


def test_all_three_end_with_who_reads() -> None:
    read_end, write_end = os.pipe()
    middle = os.fork()
    if not middle:
        os.close(read_end)

        def endless() -> Generator[bytes, None, None]:
            while True:
                yield bytes(SLOT_BYTES)

        with ahead(endless(), Told()) as chunks:
            for _slot in range(30):
                next(chunks)
            os.write(write_end, b"three of them\n")
            signal.pause()
        os._exit(1)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        assert pipe.readline() == "three of them\n"
        os.kill(middle, signal.SIGKILL)
        os.waitpid(middle, 0)
        # The other end of the pipe is held by both children of the one that was killed, until they end.
        assert pipe.read() == ""
