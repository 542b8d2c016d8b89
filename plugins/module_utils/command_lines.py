# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command whose output is taken line by line while it runs, however much it writes: no shell, C locale, deadline."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_CHUNK_BYTES = 256 * 1024
_MAX_ERROR_BYTES = 16 * 1024


@dataclass(frozen=True)
class LineResult:
    """How a command ended whose lines were taken.

    :ivar returncode: exit status, negative for a signal, None when it could not be started.
    :ivar stderr: the beginning of its error output.
    :ivar timed_out: the deadline passed and its process group was killed.
    :ivar cut: it wrote more than ``max_bytes`` and was ended there.
    :ivar overlong: lines that were longer than ``max_line_bytes`` and were left out.
    :ivar problem: why it could not be started, or an empty string.
    """

    returncode: int | None
    stderr: str = ""
    timed_out: bool = False
    cut: bool = False
    overlong: int = 0
    problem: str = ""


def run_lines(
    argv: Sequence[str],
    take: Callable[[bytes], None],
    *,
    timeout_seconds: float,
    max_bytes: int,
    max_line_bytes: int,
) -> LineResult:
    """Run ``argv`` and hand over each line of its output, without its end, as it comes.

    :param argv: program and arguments; never a shell string.
    :param take: gets the lines; what it raises ends the command and is raised.
    """
    try:
        # run_command() keeps the whole output in memory, and this layer knows no module.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            tuple(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return LineResult(None, problem=f"{argv[0]}: {reason}")
    reading = _Reading(take, max_line_bytes)
    try:
        ended = _read(process, reading, time.monotonic() + timeout_seconds, max_bytes)
    finally:
        _end(process)
    reading.finish()
    return LineResult(
        process.returncode, decode(bytes(reading.errors)), timed_out=ended == "late", cut=ended == "cut", overlong=reading.overlong
    )


class _Reading:
    """Makes lines of pieces of output."""

    def __init__(self, take: Callable[[bytes], None], max_line_bytes: int) -> None:
        self.errors = bytearray()
        self.overlong = 0
        self._take = take
        self._most = max_line_bytes
        self._rest = b""
        self._skipping = False

    def add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > self._most:
            self._rest = b""
            self.overlong += not self._skipping
            self._skipping = True

    def finish(self) -> None:
        if self._rest:
            self._line(self._rest)

    def _line(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
        elif len(line) > self._most:
            self.overlong += 1
        else:
            self._take(line)


def _read(process: subprocess.Popen[bytes], reading: _Reading, deadline: float, max_bytes: int) -> str:
    """Read until the command ends; return ``late`` or ``cut`` when it was not waited for."""
    left = max_bytes
    with selectors.DefaultSelector() as selector:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return "late"
            for key, _events in selector.select(remaining):
                data = os.read(key.fd, _CHUNK_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    reading.errors += data[: _MAX_ERROR_BYTES - len(reading.errors)]
                else:
                    left -= len(data)
                    reading.add(data)
                    if left < 0:
                        return "cut"
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "late"
    return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
