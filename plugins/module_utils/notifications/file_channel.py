# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The channel file: one line of JSON for each message, appended to a file on the report host."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from datetime import datetime
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import Message, plain_text
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

FILE_MODE = 0o640


def file_line(message: Message, *, audiences: tuple[str, ...], now: datetime) -> bytes:
    """Return the line that is appended, with its end."""
    line = {
        "time": to_iso(now), "platform": message.platform, "run_id": message.run_id, "status": message.status,
        "audiences": list(audiences), "title": message.title, "text": plain_text(message),
    }
    return json.dumps(line).encode() + b"\n"


def append_line(path: Path, line: bytes) -> None:
    """Append one whole line, or nothing.

    :raises ChannelFailed: when the file is no plain file of ours, or cannot be written.
    """
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, FILE_MODE)
    except OSError as exc:
        reason = "it is a symbolic link" if exc.errno == errno.ELOOP else exc.strerror
        raise ChannelFailed(f"it cannot be opened: {reason}") from None
    except ValueError:
        raise ChannelFailed("its path holds a NUL or a character that this system cannot write") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ChannelFailed("it is no plain file with one name, so nothing was written")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # somebody died within a line; ours begins anew
        _write_whole(descriptor, line, size)
    except OSError as exc:
        raise ChannelFailed(f"it cannot be written: {exc.strerror}") from None
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, line: bytes, size: int) -> None:
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
