# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Let a pipe hold more, so that who writes into it waits less often for who reads."""

from __future__ import annotations

import fcntl

#: F_SETPIPE_SZ of Linux, which Python has a name for since 3.10; what users without rights may ask for.
_SET_PIPE_SIZE = 1031
_PIPE_BYTES = 1024 * 1024


def widen(descriptor: int) -> None:
    """Let the pipe of a descriptor hold 1 MiB, where that is allowed."""
    try:
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    except OSError:
        pass  # a smaller one is only slower
