# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hash parts of an unpacked archive in a process of its own, while another one reads the archive on.

The archive lies in memory that both have, slot by slot. Who reads says, whenever it is done with some slots, which parts of the
archive must have which digest; the hashing process looks at them there, and only then gives the slots back to be filled again.
"""

from __future__ import annotations

import hashlib
import marshal
import mmap
import os
import select
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Any, NoReturn

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.pipes import fork_with_pipes, widen
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread

#: So many slots are handed over together: waking the other process costs more than to hash a small one.
SLOTS_AT_ONCE = 4
_LENGTH = struct.Struct("=q")
_new_hash = hashlib.sha256


class ExpectedDigests:
    """Parts of an unpacked archive, in the order in which they lie there, and the digests that they must have.

    :param most: so many parts that differ are told by name.
    :param differ: is told number and name of these, and how many there are, when the archive was read as far as it can be.
    :ivar elsewhere: a process hashes what is added; as long as there is none, who would add it is to hash it.
    :ivar added: how many parts were added.
    """

    def __init__(self, most: int, differ: Callable[[Sequence[tuple[int, bytes]], int], None]) -> None:
        self.most = most
        self.differ = differ
        self.elsewhere = False
        self.added = 0
        self._parts: list[tuple[int, int, bytes, int, bytes]] = []

    def add(self, start: int, size: int, sha256: bytes, number: int, name: bytes) -> None:
        """Have a part hashed.

        :param start: where it begins, in bytes of the unpacked archive; in no slot that was handed over before.
        :param sha256: in hexadecimal digits.
        :param number: of the member, for who is told that it differs.
        """
        self.added += 1
        self._parts.append((start, size, sha256, number, name))

    def extend(self, parts: Sequence[tuple[int, int, bytes, int, bytes]]) -> None:
        """Have several parts hashed, each with what :meth:`add` takes."""
        self.added += len(parts)
        self._parts.extend(parts)

    def take(self) -> list[tuple[int, int, bytes, int, bytes]]:
        """Return what was added since the last call."""
        parts, self._parts = self._parts, []
        return parts


class HashingProcess:
    """The process that hashes, as the one sees it that reads."""

    def __init__(self, pid: int, slots: int, answer: int, expected: ExpectedDigests) -> None:
        self._pid = pid
        self._slots = slots
        self._answer = os.fdopen(answer, "rb")
        self._expected = expected
        self._lengths: list[int] = []
        self._is_whole = False
        expected.elsewhere = True

    def read(self, length: int) -> None:
        """Hand over the next slot, which nobody here looks at any more, with the parts that were added.

        :raises Unread: when the process died.
        """
        self._lengths.append(length)
        if len(self._lengths) == SLOTS_AT_ONCE:
            try:
                self._send()
            except BrokenPipeError:
                raise _died() from None

    @property
    def is_dead(self) -> bool:
        """It answers at its end, and that is not before :meth:`end`."""
        poll = select.poll()
        poll.register(self._answer)
        return bool(poll.poll(0))

    def end(self, length: int) -> None:
        """Wait until all that was handed over is hashed, and tell what differs.

        :param length: of the slot that was being read when the reading ended, or 0: what ends in it is hashed, too.
        """
        self._expected.elsewhere = False
        if length:
            self._lengths.append(length)
        try:
            self._send()
        except BrokenPipeError:
            pass  # then it does not answer either
        os.close(self._slots)
        with self._answer:
            answer = self._answer.read()
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # whoever started this process has it ignore SIGCHLD: nothing is left to wait for
        if answer:
            done, count, first = marshal.loads(answer)
            self._is_whole = done == self._expected.added
            self._expected.differ(first, count)

    def check(self) -> None:
        """After an archive was read to its end: all its parts were hashed.

        :raises Unread: when they were not.
        """
        if not self._is_whole:
            raise _died()

    def _send(self) -> None:
        data = marshal.dumps((self._lengths, self._expected.take()))
        self._lengths = []
        left = memoryview(_LENGTH.pack(len(data)) + data)
        while left:
            left = left[os.write(self._slots, left) :]


def start_hashing(
    memory: mmap.mmap, slot_bytes: int, free: int, of_others: Sequence[int], expected: ExpectedDigests
) -> HashingProcess | None:
    """Return a process that hashes; None on a host with one processor, or with too many processes or files.

    :param memory: slots of ``slot_bytes``, filled in turn.
    :param free: the pipe to who fills them: a byte for each slot that was hashed. It is closed here.
    :param of_others: descriptors that the process must not hold: their other ends wait for their end.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return None
    forked = fork_with_pipes()
    if forked is None:
        return None
    pid, (slots_there, slots), (answer, answer_there) = forked
    if not pid:
        _run(_Hashing(memory, slot_bytes, expected.most), slots_there, answer_there, free, (*of_others, slots, answer))
    for descriptor in (slots_there, answer_there, free):
        os.close(descriptor)
    widen(slots)  # a thousand small files lie in one slot
    return HashingProcess(pid, slots, answer, expected)


def _died() -> Unread:
    return Unread("was not read to its end: the process that hashes its members died", hint="Look for want of memory: dmesg --level=err")


def _run(hashing: _Hashing, slots: int, answer: int, free: int, of_others: Sequence[int]) -> NoReturn:
    """Be the process; it answers when nothing more comes. Whatever goes wrong here is that it does not."""
    try:
        for descriptor in of_others:
            os.close(descriptor)
        with os.fdopen(slots, "rb") as pipe:
            while True:
                job = _job(pipe)
                if job is None:
                    break
                lengths, parts = job
                hashing.hash(lengths, parts)
                try:
                    os.write(free, bytes(len(lengths)))
                except BrokenPipeError:
                    pass  # all is unpacked
        with os.fdopen(answer, "wb") as pipe:
            pipe.write(marshal.dumps((hashing.done, hashing.count, hashing.first)))
    finally:
        os._exit(0)


def _job(pipe: IO[bytes]) -> Any:
    length = pipe.read(_LENGTH.size)
    return marshal.loads(pipe.read(_LENGTH.unpack(length)[0])) if length else None


class _Hashing:
    """Goes through the slots as they were filled.

    :ivar done: how many parts were hashed.
    :ivar count: how many of them differ.
    :ivar first: number and name of the first of these.
    """

    def __init__(self, memory: mmap.mmap, slot_bytes: int, most: int) -> None:
        self._view = memoryview(memory)
        self._slot_bytes = slot_bytes
        self._most = most
        self._slot_start = 0
        self._position = 0
        self._parts: deque[tuple[int, int, bytes, int, bytes]] = deque()
        self._begun: Any = None
        self.done = self.count = 0
        self.first: list[tuple[int, bytes]] = []

    def hash(self, lengths: Sequence[int], parts: Sequence[tuple[int, int, bytes, int, bytes]]) -> None:
        """Hash what lies in the next slots.

        :param lengths: how many bytes of each are filled.
        :param parts: those that begin in these slots, or right behind them.
        :raises ValueError: when one begins before them.
        """
        self._parts.extend(parts)
        for length in lengths:
            self._hash_slot(length)
            self._slot_start = (self._slot_start + self._slot_bytes) % len(self._view)
            self._position += length

    def _hash_slot(self, length: int) -> None:
        view, position, parts = self._view, self._position, self._parts
        shift, slot_end = self._slot_start - position, position + length
        while parts:
            start, size, sha256, number, name = parts[0]
            end = start + size
            if end > slot_end:
                if start < slot_end:
                    self._begin_or_go_on(start).update(view[max(start, position) + shift : slot_end + shift])
                return
            if start >= position:
                digest = _new_hash(view[start + shift : end + shift])
            else:
                digest = self._begin_or_go_on(start)
                digest.update(view[position + shift : end + shift])
                self._begun = None
            parts.popleft()
            self.done += 1
            if digest.hexdigest().encode() != sha256:
                self.count += 1
                if len(self.first) < self._most:
                    self.first.append((number, name))

    def _begin_or_go_on(self, start: int) -> Any:
        """Return the hash of a part that does not end in the slot in which it begins."""
        if start >= self._position:
            self._begun = _new_hash()
        elif self._begun is None:
            raise ValueError("a part begins before the slots that are left")
        return self._begun
