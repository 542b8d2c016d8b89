# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pipes between the processes that read an archive together."""

from __future__ import annotations

import fcntl
import os
from typing import NamedTuple, Optional

#: F_SETPIPE_SZ of Linux, which Python has a name for since 3.10; what users without rights may ask for.
_SET_PIPE_SIZE = 1031
_PIPE_BYTES = 1024 * 1024


class Forked(NamedTuple):
    """A child process and two pipes, all four ends of which both processes have.

    :ivar pid: 0 in the child.
    :ivar first: the end of the first pipe that is read, and the one that is written.
    :ivar second: the same of the second.
    """

    pid: int
    first: tuple[int, int]
    second: tuple[int, int]


def fork_with_pipes() -> Optional[Forked]:
    """Fork; None where the host has too many processes or files, or too little memory."""
    pipes: list[tuple[int, int]] = []
    try:
        pipes.append(os.pipe())
        pipes.append(os.pipe())
        return Forked(os.fork(), *pipes)
    except OSError:
        for descriptor in sum(pipes, ()):
            os.close(descriptor)
        return None


def widen(descriptor: int) -> None:
    """Let the pipe of a descriptor hold 1 MiB, where that is allowed, so that who writes waits less often for who reads."""
    try:
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    except OSError:
        pass  # a smaller one is only slower
