# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that runs external commands: argument list, no shell, C locale, deadline, bounded output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_OUTPUT_BYTES = 1024 * 1024

#: What a command left behind may hold its output for as long as it likes; this long after its end it is still read.
_GRACE_SECONDS = 0.2
_TICK_SECONDS = 0.05


@dataclass(frozen=True)
class CommandResult:
    """What a command did.

    :ivar argv: the argument list that ran.
    :ivar returncode: exit status, negative for a signal, None when the command could not be started.
    :ivar stdout: decoded output, bounded; undecodable bytes are shown as ``\\xNN``.
    :ivar stderr: the same for the error output.
    :ivar timed_out: the deadline passed and the command's process group was killed.
    :ivar truncated: output beyond the bound was read and thrown away.
    :ivar problem: why the command could not be started, or an empty string.
    """

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str
    stderr: str
    timed_out: bool = False
    truncated: bool = False
    problem: str = ""

    @property
    def succeeded(self) -> bool:
        """True when the command ran to its end with exit status 0."""
        return self.returncode == 0 and not self.timed_out and not self.problem


def run_command(
    argv: Sequence[str],
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    max_output_bytes: int = DEFAULT_OUTPUT_BYTES,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    input_bytes: bytes | None = None,
) -> CommandResult:
    """Run ``argv`` and wait for it, at most ``timeout_seconds``; nothing it does raises.

    The command gets a process group of its own, which is killed at the deadline, so that no grandchild lingers.
    What counts is the command itself: a daemon that it started and that keeps the output open is left alone and not
    waited for. What that daemon writes later is lost.

    :param argv: program and arguments; never a shell string.
    :param max_output_bytes: bound for each of stdout and stderr.
    :param environment: added to the inherited environment; ``LC_ALL=C`` always wins.
    :param directory: working directory, or ``/``: never the caller's.
    :param input_bytes: what the command reads; nothing when None. Small inputs only (one pipe buffer, 64 KiB).
    """
    arguments = tuple(argv)
    try:
        # run_command() has no deadline and no bound for output, and this layer knows no module.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            arguments,
            stdin=subprocess.PIPE if input_bytes is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {}), "LC_ALL": "C"},
            cwd=directory or "/",
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return CommandResult(arguments, None, "", "", problem=f"{arguments[0]}: {reason}")
    deadline = time.monotonic() + timeout_seconds
    if input_bytes is not None and process.stdin is not None:
        try:
            process.stdin.write(input_bytes)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the command did not want its input; its exit status tells
    output, truncated, timed_out = _read_until(process, deadline, max_output_bytes)
    if not timed_out:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            timed_out = True
    if timed_out:
        _kill_group(process)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return CommandResult(
        arguments, process.returncode, decode(output[0]), decode(output[1]), timed_out=timed_out, truncated=truncated
    )


def _read_until(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[list[bytes], bool, bool]:
    """Read both pipes to their end, or to that of the command and a little more.

    :return: (stdout, stderr), whether output was cut, whether time ran out before the command ended.
    """
    buffers = [bytearray(), bytearray()]
    truncated = ended = False
    with selectors.DefaultSelector() as selector:
        for index, pipe in enumerate((process.stdout, process.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, index)
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return [bytes(b) for b in buffers], truncated, process.poll() is None
            if not ended and process.poll() is not None:
                # All that the command wrote is in the pipes by now, and one more turn reads it.
                ended, deadline = True, time.monotonic() + min(remaining, _GRACE_SECONDS)
            for key, _events in selector.select(min(remaining, _TICK_SECONDS)):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                    continue
                room = limit - len(buffers[key.data])
                buffers[key.data] += data[:room]
                truncated = truncated or len(data) > room
    return [bytes(b) for b in buffers], truncated, False


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
