# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pid files. They are written by the service, so what stands in place of one may be anything."""

from __future__ import annotations

import os

_MAX_BYTES = 64


def pid_in(path: str) -> int | None:
    """Return the process id in a pid file, or None when it holds none.

    Neither a pipe nor an endless file holds the caller.

    :raises OSError: when it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        words = os.read(descriptor, _MAX_BYTES).split()
    finally:
        os.close(descriptor)
    return int(words[0]) if words and words[0].isdigit() else None
