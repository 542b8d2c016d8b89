# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a file of a suspect host without leaving a trace in it, and without ever opening what is no file."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.steady_reading import unchanged
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.paths import kind_of, path_of, status_of
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.secret_files import holds_private_key

_BUFFER_BYTES = 1024 * 1024
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LeftOut(Exception):
    """Something is not taken.

    :param kind: ``secret``, ``kind``, ``size``, ``total``, ``number``, ``absent``, ``vanished``, ``unreadable`` or ``failed``.
    :param reason: completes "<path> …".
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def packed(data: bytes) -> str:
    """Return bytes as an answer carries them."""
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


def problem_of(problem: OSError) -> LeftOut:
    """Return why something could not be read."""
    if isinstance(problem, (FileNotFoundError, NotADirectoryError)):
        return LeftOut("vanished", "was gone when it was to be read")
    if isinstance(problem, PermissionError):
        return LeftOut("unreadable", "may not be read by this user")
    return LeftOut("unreadable", f"could not be read ({problem.strerror or problem})")


@contextmanager
def opened(path: bytes) -> Iterator[int]:
    """Yield a descriptor of a regular file; the time of its last access stays where the kernel allows that.

    What the name leads to is looked at before it is opened, and what was looked at is opened: a pipe would block, and to open a device can
    do something.

    :raises LeftOut: when it is no file, or the way to it leads elsewhere.
    :raises OSError: when it cannot be opened.
    """
    handle = os.open(path, _HANDLE)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise LeftOut("kind", f"is a {kind_of(mode)}")
        link = b"/proc/self/fd/%d" % handle
        if os.readlink(link) != path:
            raise LeftOut("failed", "is reached through a folder that was exchanged meanwhile")
        try:
            descriptor = os.open(link, _READ | os.O_NOATIME)
        except PermissionError:  # somebody else's file, and not root
            descriptor = os.open(link, _READ)
    finally:
        os.close(handle)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_piece(request: Mapping[str, Any], *, secrets: bool) -> dict[str, Any]:
    """Return a piece of a file, or only the checksum of it.

    :param request: ``raw``, the path; ``offset`` and ``length`` in bytes; ``content``, whether the bytes are wanted.
    :param secrets: whether private keys are taken.
    :return: ``bytes``, ``sha256``, ``status`` and ``changed`` (while the piece was read), with ``data``; or ``left_out``.
    """
    try:
        with opened(path_of(request["raw"])) as descriptor:
            before = os.fstat(descriptor)
            if request["content"]:
                data = _read(descriptor, request["offset"], request["length"])
                if not secrets and request["offset"] == 0 and holds_private_key(data):
                    return {
                        "left_out": {"kind": "secret", "reason": "holds a private key"}, "status": status_of(before),
                        **_hashed(descriptor, before.st_size),
                    }
                answer: dict[str, Any] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "data": packed(data)}
            else:
                answer = _hashed(descriptor, request["length"])
            after = os.fstat(descriptor)
            return {**answer, "status": status_of(after), "changed": not unchanged(before, after)}
    except LeftOut as exc:
        return {"left_out": {"kind": exc.kind, "reason": exc.reason}}
    except OSError as exc:
        problem = problem_of(exc)
        return {"left_out": {"kind": problem.kind, "reason": problem.reason}}


def _read(descriptor: int, offset: int, length: int) -> bytes:
    parts = []
    while length > 0:
        part = os.pread(descriptor, min(length, _BUFFER_BYTES), offset)
        if not part:
            break
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)


def _hashed(descriptor: int, length: int) -> dict[str, Any]:
    digest, done = hashlib.sha256(), 0
    while done < length:
        part = os.pread(descriptor, min(length - done, _BUFFER_BYTES), done)
        if not part:
            break
        digest.update(part)
        done += len(part)
    return {"bytes": done, "sha256": digest.hexdigest()}
