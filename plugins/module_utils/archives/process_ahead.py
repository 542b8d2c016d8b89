# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run an iterator of chunks in a child process, a few chunks ahead of who reads them.

A thread would have to share the interpreter with a reader that seldom lets go of it. The chunks come through memory that both
processes have; two pipes say which part of it is filled and which is free, so that the death of either one ends the other.
Where members are to have digests, a third process may hash them in that memory, and it is the one that says what is free.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NoReturn

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.hashing_beside import (
    SLOTS_AT_ONCE,
    ExpectedDigests,
    HashingProcess,
    start_hashing,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.pipes import fork_with_pipes
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Chunk, ReadAhead, Space, own_space

SLOT_BYTES = 512 * 1024
#: So many that no process waits for another one that another waits for: with 16 they are idle for a seventh of the time.
_SLOTS = 48
#: For what is unpacked about as fast as it is read and hashed, so that now the one process is the slowest and now another.
_MANY_SLOTS = 128
_LENGTH = struct.Struct("=q")
#: Below this a process or a thread costs more than it saves.
_LEAST_BYTES = 1024 * 1024
#: In place of a length: what follows is how the iterator ended.
_ENDED = -1
#: Returns an iterator that unpacks, given where it may put what it unpacks.
Unpack = Callable[[Space], Generator[Chunk, None, None]]


@contextmanager
def read_ahead(
    unpack: Unpack, size: int, budget: Budget, *, outermost: bool, outcome: Callable[[], Any] = lambda: None,
    take_outcome: Callable[[Any], None] = lambda _outcome: None, expected: ExpectedDigests | None = None, far: bool = False,
) -> Iterator[Iterator[Chunk]]:
    """Give the chunks of an iterator that unpacks, as far ahead as pays; each is gone when the next one is asked for.

    :param unpack: is told where it may put its chunks, of at most SLOT_BYTES, and returns the iterator; that counts them in the budget.
    :param size: bytes of what is unpacked; little is unpacked as it is asked for.
    :param outermost: it reads a file, so that nobody minds when a child process does that. It is run in a thread otherwise.
    :param outcome: is called in the child when the iterator has ended; returns what this process has to know of it.
    :param take_outcome: is then called with that in this process, before the last chunk was read.
    :param expected: what is added to it is hashed by one more process, where one can be had.
    :param far: be further ahead, in 40 MiB more of memory.
    :raises Unread: when that process died.
    """
    if size < _LEAST_BYTES:
        with closing(unpack(own_space())) as chunks:
            yield chunks
        return
    child = _started(unpack, outcome, expected, _MANY_SLOTS if far else _SLOTS) if outermost else None
    if child is None:
        with ReadAhead(unpack(own_space())) as ahead:
            yield ahead
        return
    try:
        yield child.read(budget, take_outcome)
    finally:
        child.end()
    child.check()


def _started(unpack: Unpack, outcome: Callable[[], Any], expected: ExpectedDigests | None, slots: int) -> _Child | None:
    """Return a child process that runs the iterator; None where the host has too many processes or files, or too little memory."""
    try:
        memory = mmap.mmap(-1, slots * SLOT_BYTES)
    except OSError:
        return None
    forked = fork_with_pipes()
    if forked is None:
        return None
    pid, (filled, filled_there), (free_there, free) = forked
    if not pid:
        _run(unpack, outcome, _Slots(memory, filled_there, free_there), (filled, free))
    os.close(filled_there)
    os.close(free_there)
    hashing = None if expected is None else start_hashing(memory, SLOT_BYTES, free, (filled,), expected)
    return _Child(pid, memory, filled, free, hashing)


class _Child:
    """The process that runs the iterator, as its parent sees it."""

    def __init__(self, pid: int, memory: mmap.mmap, filled: int, free: int, hashing: HashingProcess | None) -> None:
        self._pid = pid
        self._memory = memory
        self._filled = os.fdopen(filled, "rb")
        self._free = free
        self._hashing = hashing
        self._present = 0

    def read(self, budget: Budget, take_outcome: Callable[[Any], None]) -> Iterator[Chunk]:
        """Yield the chunks.

        :raises ArchiveProblem: whatever the iterator raised.
        """
        view = memoryview(self._memory)
        slots = len(view) // SLOT_BYTES
        slot = 0
        while True:
            length = self._length()
            if length == _ENDED:
                error, result = pickle.loads(self._filled.read())
                take_outcome(result)
                if error is not None:
                    raise error
                return
            budget.unpacked(length)
            start = slot * SLOT_BYTES
            self._present = length
            yield view[start : start + length]
            slot = (slot + 1) % slots
            if self._hashing is not None:
                self._present = 0
                self._hashing.read(length)
            elif slot % SLOTS_AT_ONCE == 0:
                try:
                    os.write(self._free, bytes(SLOTS_AT_ONCE))
                except BrokenPipeError:
                    pass  # it has told its end, which comes next

    def end(self) -> None:
        """Wait for its end: it ends when nobody gives it room any more."""
        self._filled.close()
        if self._hashing is None:
            os.close(self._free)
        else:
            self._hashing.end(self._present)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # whoever started this process has it ignore SIGCHLD: nothing is left to wait for

    def check(self) -> None:
        """:raises Unread: when there is a process that hashes, and it has not hashed all."""
        if self._hashing is not None:
            self._hashing.check()

    def _length(self) -> int:
        said = self._filled.read(_LENGTH.size)
        if len(said) < _LENGTH.size:
            if self._hashing is not None and self._hashing.is_dead:
                self._hashing.check()  # nobody gives room any more
            raise Unread("was not read to its end: the process that unpacks it died", hint="Look for want of memory: dmesg --level=err")
        return int(_LENGTH.unpack(said)[0])


def _run(unpack: Unpack, outcome: Callable[[], Any], slots: _Slots, of_parent: tuple[int, int]) -> NoReturn:
    """Be the child."""
    try:
        for descriptor in of_parent:
            os.close(descriptor)
        error: BaseException | None = None
        try:
            with closing(unpack(slots.space)) as chunks:
                _fill(chunks, slots)
        except BaseException as caught:  # whatever it is, it belongs to the reader
            error = caught.with_traceback(None)
            error.__context__ = error.__cause__ = None
        if not isinstance(error, _ReaderGone):
            slots.end(pickle.dumps((error, outcome())))
    finally:
        os._exit(0)


class _ReaderGone(Exception):
    """Nobody reads any more."""


class _Slots:
    """The memory, as the child sees it, which fills the slots in turn."""

    def __init__(self, memory: mmap.mmap, filled: int, free: int) -> None:
        self._memory = memory
        self._view = memoryview(memory)
        self._filled = filled
        self._free = free
        self._slot = 0
        self._slots = self._ready = len(memory) // SLOT_BYTES

    def space(self) -> memoryview:
        """Return the slot that is to be filled next, when it is free.

        :raises _ReaderGone: when nobody reads any more.
        """
        if not self._ready:
            self._ready = len(os.read(self._free, self._slots))
            if not self._ready:
                raise _ReaderGone
        start = self._slot * SLOT_BYTES
        return self._view[start : start + SLOT_BYTES]

    def holds(self, chunk: Chunk) -> bool:
        """Tell whether a chunk already lies in a slot."""
        return isinstance(chunk, memoryview) and chunk.obj is self._memory

    def tell(self, length: int) -> None:
        """Give the slot to the reader, with so many bytes in it.

        :raises _ReaderGone: as above.
        """
        try:
            os.write(self._filled, _LENGTH.pack(length))
        except BrokenPipeError:
            raise _ReaderGone from None
        self._slot = (self._slot + 1) % self._slots
        self._ready -= 1

    def end(self, answer: bytes) -> None:
        """Say that nothing more comes, and why."""
        with os.fdopen(self._filled, "wb") as pipe:
            pipe.write(_LENGTH.pack(_ENDED) + answer)


def _fill(chunks: Iterator[Chunk], slots: _Slots) -> None:
    """Give the chunks to the reader; those that do not lie in a slot yet are put into one, as many together as fit."""
    used = 0
    try:
        for chunk in chunks:
            if slots.holds(chunk):
                slots.tell(len(chunk))
                continue
            if used + len(chunk) > SLOT_BYTES:
                slots.tell(used)
                used = 0
            slots.space()[used : used + len(chunk)] = chunk
            used += len(chunk)
    finally:
        if used:
            slots.tell(used)  # what came before an error comes before it there, too
