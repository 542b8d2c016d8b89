# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read batches of files in processes of their own: threads would hand the interpreter to and fro for each small file.

A process is given the open folders of a batch, so that nothing that happens to their paths leads it elsewhere.
"""

from __future__ import annotations

import array
import marshal
import os
import select
import signal
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.reading import (
    BUFFER_BYTES,
    Unreadable,
    Vanished,
    read_entry,
)

#: In front of a message: how many bytes it has, and how many folders come with it.
_HEAD = struct.Struct("=II")
_RECEIVED_BYTES = 256 * 1024
#: The kernel passes no more at once.
MOST_FOLDERS = 253
_DIED = "could not be read: the process that read it died"


# Plain tuples, which pass between processes as they are: to make one with names takes ten times as long, and there are two of each file.

#: A file to read: where its outcome belongs, which of the folders of the batch it is in, its name, its path (escaped).
Job = tuple[int, int, str, str]

#: What reading it has shown: where its outcome belongs; its line, None when it is gone, '' when nothing is known; how many bytes
#: were hashed, -1 when it was not read to its end; '' or its path (escaped), a tab, and why it was not, which completes "<path> …".
Result = tuple[int, Optional[str], int, str]


def read_jobs(
    folders: Sequence[int], jobs: Sequence[Job], buffer: memoryview, *, capabilities: bool, max_file_bytes: int | None
) -> list[Result]:
    """Read files.

    :param folders: descriptors.
    """
    results: list[Result] = []
    for position, folder, name, path in jobs:
        try:
            line, size = read_entry(folders[folder], name, path, buffer, capabilities=capabilities, max_bytes=max_file_bytes)
        except Vanished:
            results.append((position, None, -1, ""))
        except Unreadable as exc:
            results.append((position, exc.line, -1, f"{path}\t{exc}"))
        else:
            results.append((position, line, size, ""))
    return results


#: Reads jobs in the folders with these descriptors.
Read = Callable[[Sequence[int], Sequence[Job], memoryview], "list[Result]"]


class Readers:
    """Some processes that read.

    :param read: what they do.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._readers: list[_Reader] = []

    def start(self, number: int) -> bool:
        """Start so many, or as many as the host lets us; tell whether there are any."""
        try:
            for _number in range(number):
                self._readers.append(_Reader.started(self._read))
        except OSError:
            pass
        return bool(self._readers)

    def submit(self, folders: Sequence[int], jobs: Sequence[Job]) -> Callable[[], list[Result]]:
        """Let one of them read; return what waits for its results. These are to be waited for in the order of the calls."""
        # One that shares its processor with this process is slower: what each has answered by now decides, not what was taken of it.
        for reader in self._readers:
            reader.receive()
        reader = min(self._readers, key=lambda one: (not one.alive, one.waiting))
        reader.give(folders, jobs)

        def results() -> list[Result]:
            answer = reader.answer()
            if answer is None or len(answer) != len(jobs):  # what is not answered for must not count as gone
                return [(position, "", -1, f"{path}\t{_DIED}") for position, _folder, _name, path in jobs]
            return answer

        return results

    def end(self) -> None:
        """End them, whatever they are at: they only read."""
        for reader in self._readers:
            reader.end()
        self._readers = []


class _Reader:
    """One process, as its parent sees it.

    :ivar waiting: how many files it was given and has not answered for, as far as its answers were received.
    :ivar alive: its end was not seen yet.
    """

    def __init__(self, pid: int, link: socket.socket) -> None:
        self.link = link
        self.waiting = 0
        self._pid = pid
        self._poll = select.poll()
        self._received = bytearray()
        self._answers: deque[list[Result]] = deque()
        self.alive = True

    @classmethod
    def started(cls, read: Read) -> _Reader:
        """Return a new one.

        :raises OSError: when the host has too many processes or files.
        """
        here, there = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            here.close()
            there.close()
            raise
        if not pid:
            _serve(read, there)
        there.close()
        here.setblocking(False)
        return cls(pid, here)

    def give(self, folders: Sequence[int], jobs: Sequence[Job]) -> None:
        """Send jobs; what it answers meanwhile is received, so that neither side waits for the other for ever."""
        self.waiting += len(jobs)
        body = marshal.dumps(list(jobs))
        left = memoryview(_HEAD.pack(len(body), len(folders)) + body)
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", folders))]
        while left and self.alive:
            if self._wait(select.POLLIN | select.POLLOUT) & select.POLLOUT:
                try:
                    sent = self.link.sendmsg([left], passed)
                except BlockingIOError:
                    continue
                except OSError:
                    self.alive = False
                    return
                left, passed = left[sent:], []

    def answer(self) -> list[Result] | None:
        """Wait for the results of the oldest jobs; None when it has died."""
        while not self._answers and self.alive:
            self._wait(select.POLLIN)
        if not self._answers:
            return None
        return self._answers.popleft()

    def end(self) -> None:
        """End it."""
        self.link.close()
        try:
            if self.alive:  # it may be at a file of many gigabytes
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # whoever started this process has it ignore SIGCHLD: nothing is left to wait for

    def _wait(self, events: int) -> int:
        """Wait until something can be received or sent; receive what there is. Return what can be done."""
        self._poll.register(self.link, events)
        ready = 0
        for _descriptor, ready in self._poll.poll():
            pass
        if ready & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self.receive()
        return ready

    def receive(self) -> None:
        """Receive what there is, without waiting."""
        if not self.alive:
            return
        try:
            data = self.link.recv(_RECEIVED_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.alive = bool(data)
        self._received += data
        while len(self._received) >= _HEAD.size:
            length, _folders = _HEAD.unpack_from(self._received)
            end = _HEAD.size + length
            if len(self._received) < end:
                return
            results: list[Result] = marshal.loads(self._received[_HEAD.size : end])
            self._answers.append(results)
            self.waiting -= len(results)
            del self._received[:end]


def _serve(read: Read, link: socket.socket) -> NoReturn:
    """Be the process."""
    try:
        _keep_only(link.fileno())
        _answer_all(read, link)
    finally:
        os._exit(0)


def _answer_all(read: Read, link: socket.socket) -> None:
    """Read what is asked for, until nobody asks any more."""
    buffer = memoryview(bytearray(BUFFER_BYTES))
    received = bytearray()
    folders: list[int] = []
    while True:
        while len(received) < _HEAD.size or len(received) < _HEAD.size + _HEAD.unpack_from(received)[0]:
            data, more, flags, _address = socket.recv_fds(link, _RECEIVED_BYTES, MOST_FOLDERS)
            if not data or flags & socket.MSG_CTRUNC:
                return
            received += data
            folders += more
        length, number = _HEAD.unpack_from(received)
        jobs = marshal.loads(received[_HEAD.size : _HEAD.size + length])
        del received[: _HEAD.size + length]
        body = marshal.dumps(read(folders[:number], jobs, buffer))
        for descriptor in folders[:number]:
            os.close(descriptor)
        del folders[:number]
        link.sendall(_HEAD.pack(len(body), 0) + body)


def _keep_only(descriptor: int) -> None:
    """Let go of everything that the parent has open: a lock that it holds must not outlive it, nor a pipe that others read to its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != descriptor:
            try:
                os.close(int(name))
            except OSError:
                pass  # that of the listing itself
