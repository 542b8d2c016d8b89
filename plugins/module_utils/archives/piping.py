# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Send a stream through a program that unpacks it, and read what comes out while the rest is being sent."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.pipes import widen
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import Space
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_ERROR_BYTES = 4096


def piped(
    argv: Sequence[str], chunks: Iterable[bytes], budget: Budget, see: Callable[[bytes], None], space: Space
) -> Generator[memoryview, None, tuple[int, str]]:
    """Yield what the program makes of ``chunks``; return its exit status and what it said of errors.

    :param see: is given each chunk before the program is.
    :param space: memory for what is yielded.
    :raises ArchiveProblem: what ends the chunks, or a limit of the budget.
    """
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env={**os.environ, "LC_ALL": "C"}, start_new_session=True,
        )
    except OSError as error:  # the host has too many processes or too little memory
        raise Unread(f"was not read: {argv[0]} cannot be started ({error.strerror})") from None
    feeder = _Feeder(process, chunks, see)
    try:
        feeder.start()
        yield from _unpacked(process, budget, space)
        feeder.join()
        said = process.stderr.read(_ERROR_BYTES) if process.stderr else b""
        status = process.wait()
    finally:
        process.kill()
        feeder.join()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.wait()
    if feeder.error is not None:
        raise feeder.error
    return status, decode(said)


def _unpacked(process: subprocess.Popen[bytes], budget: Budget, space: Space) -> Iterator[memoryview]:
    if process.stdout is None:
        return
    descriptor = process.stdout.fileno()
    widen(descriptor)
    while True:
        view, used = space(), 0
        while used < len(view):
            count = os.readv(descriptor, (view[used:],))
            if not count:
                break
            used += count
        if not used:
            return
        budget.unpacked(used)
        yield view[:used]


class _Feeder:
    """Writes the packed bytes to the program in a thread.

    :ivar error: what ended the stream of packed bytes, or None.
    """

    def __init__(self, process: subprocess.Popen[bytes], chunks: Iterable[bytes], see: Callable[[bytes], None]) -> None:
        self._process = process
        self._chunks = chunks
        self._see = see
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """:raises Unread: when the host has too many threads."""
        try:
            self._thread.start()
        except RuntimeError as error:
            if self._process.stdin:
                self._process.stdin.close()
            raise Unread(f"was not read: {error}") from None

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        pipe = self._process.stdin
        if pipe is None:
            return
        try:
            for chunk in self._chunks:
                self._see(chunk)
                pipe.write(chunk)
        except BrokenPipeError:
            pass  # the program saw enough, and its exit status says of what
        except BaseException as error:  # belongs to who reads
            self.error = error
        try:
            pipe.close()
        except BrokenPipeError:
            pass
