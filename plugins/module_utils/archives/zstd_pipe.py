# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack zstd through the program ``zstd``: Python has no zstd of its own before 3.14."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_frames import FrameWalk
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_ERROR_BYTES = 4096
#: F_SETPIPE_SZ of Linux, which Python has a name for since 3.10; what users without rights may ask for.
_SET_PIPE_SIZE = 1031
_PIPE_BYTES = 1024 * 1024


def unpack_zstd(
    chunks: Iterable[bytes], budget: Budget, unprotected: Callable[[], None]
) -> Generator[bytes, None, None]:
    """Yield the unpacked bytes of all zstd frames in ``chunks``.

    :param unprotected: called when a frame carries no checksum of its contents.
    :raises Damaged: when zstd finds it damaged, or it is cut off.
    :raises Unread: when there is no program zstd, or a limit is reached.
    """
    program = shutil.which("zstd")
    if not program:
        raise Unread(
            "was not read: the program zstd is not installed on the host", hint="Install it: apt install zstd"
        )
    # Its threads for reading and writing would compete with those here.
    argv = (program, "--decompress", "--stdout", "--quiet", "--single-thread", f"--memory={budget.limits.decoder_bytes}")
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
        env={**os.environ, "LC_ALL": "C"}, start_new_session=True,
    )
    feeder = _Feeder(process, chunks)
    try:
        yield from _unpacked(process, budget)
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
    if status or not feeder.frames.whole:
        raise _problem(decode(said), feeder.frames)
    if feeder.frames.without_checksum:
        unprotected()


def _unpacked(process: subprocess.Popen[bytes], budget: Budget) -> Generator[bytes, None, None]:
    if process.stdout is None:
        return
    descriptor = process.stdout.fileno()
    try:
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    except OSError:
        pass  # a smaller one is only slower
    while True:
        part = os.read(descriptor, CHUNK_BYTES)
        if not part:
            return
        budget.unpacked(len(part))
        yield part


class _Feeder:
    """Writes the packed bytes to the program in a thread.

    :ivar error: what ended the stream of packed bytes, or None.
    """

    def __init__(self, process: subprocess.Popen[bytes], chunks: Iterable[bytes]) -> None:
        self._process = process
        self._chunks = chunks
        self.frames = FrameWalk()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        pipe = self._process.stdin
        if pipe is None:
            return
        try:
            for chunk in self._chunks:
                self.frames.feed(chunk)
                pipe.write(chunk)
        except BrokenPipeError:
            pass  # the program saw enough, and its exit status says of what
        except BaseException as error:  # belongs to who reads
            self.error = error
        try:
            pipe.close()
        except BrokenPipeError:
            pass


def _problem(said: str, frames: FrameWalk) -> Damaged | Unread:
    if "memory" in said:
        return Unread(
            "was not read: its zstd stream needs more memory than is allowed",
            hint="Raise max_decoder_bytes, or make the backup without --ultra and --long.",
        )
    words = plain(said.rpartition("stdin")[2].strip("* :\\\n/"), 120)
    if frames.cut_off:
        return Damaged("is cut off: its zstd stream ends before its end", offset=frames.position, cut_off=True)
    if frames.garbage:
        return Damaged(
            f"has bytes that are no part of it after its end, at byte {frames.frame_start}", offset=frames.frame_start
        )
    return Damaged(
        f"is damaged: the zstd frame at byte {frames.frame_start} is wrong{f' ({words})' if words else ''}",
        offset=frames.frame_start,
    )
