# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of a baseline: a line about itself, a line for each path, a line that closes it with a checksum.

It is read and written as a stream. Its own digest, the SHA-256 of the whole file, is for somebody else to keep: who can write the
file can write a closing line too.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

FORMAT = "upkeep integrity baseline"
VERSION = 1

_CHUNK_BYTES = 1024 * 1024
_LONGEST_HEAD = 64 * 1024
_LONGEST_TAIL = 512
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Damaged(Exception):
    """The file cannot be a baseline as it was written; the message completes "the baseline …"."""


@dataclass(frozen=True)
class Baseline:
    """A baseline that is open.

    :ivar digest: SHA-256 of the whole file, hexadecimal digits.
    :ivar accepted: when.
    :ivar reason: why what it holds was accepted.
    :ivar entries: how many paths it has.
    :ivar writable_by: who else may write it or its folder, in words; '' when nobody may.
    """

    digest: str
    accepted: datetime
    reason: str
    entries: int
    writable_by: str
    _stream: BinaryIO

    def lines(self) -> Iterator[str]:
        """Yield the lines of the paths.

        :raises OSError: when they cannot be read.
        """
        with open(os.dup(self._stream.fileno()), encoding="utf-8", errors="surrogateescape", newline="\n") as text:
            text.seek(0)
            text.readline()
            for line in text:
                if line[0] == "{":
                    return
                yield line


@contextmanager
def open_baseline(path: Path) -> Iterator[Baseline | None]:
    """Yield a baseline, or None when there is none.

    :raises Damaged: when it is not whole, was changed by somebody who did not close it anew, or is none that this collection made.
    :raises OSError: when it cannot be read.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise Damaged("is a link, which this module never makes") from exc
        raise
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Damaged("is no file")
        head, tail, digest = _verify(stream, status.st_size)
        try:
            made = Baseline(
                digest, from_iso(str(head["accepted"])), plain(str(head["reason"])), int(tail["entries"]),
                _writable_by(path, status), stream,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise Damaged("does not say when and why it was accepted") from exc
        yield made


def _verify(stream: BinaryIO, size: int) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the first and the last line, and the digest of the whole."""
    head = _object(stream.readline(_LONGEST_HEAD))
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise Damaged("does not begin like a baseline of this version")
    stream.seek(max(0, size - _LONGEST_TAIL))
    ending = stream.read(_LONGEST_TAIL)
    tail_bytes = ending[ending.rfind(b"\n", 0, -1) + 1:]
    tail = _object(tail_bytes)
    stream.seek(0)
    digest = hashlib.sha256()
    left = size - len(tail_bytes)
    while left > 0:
        data = stream.read(min(_CHUNK_BYTES, left))
        if not data:
            raise Damaged("became shorter while it was read")
        digest.update(data)
        left -= len(data)
    if tail_bytes != _closing(digest, tail.get("entries")):
        raise Damaged("is cut off or was changed: it does not have the checksum that closes it")
    digest.update(tail_bytes)
    return head, tail, digest.hexdigest()


def _closing(digest: Any, entries: Any) -> bytes:
    """Return the line that closes a baseline, whose checksum is of all before it and of the count in it."""
    whole = digest.copy()
    whole.update(str(entries).encode())
    return json.dumps({"entries": entries, "sha256": whole.hexdigest()}).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Damaged("is cut off or was changed: a line about itself is missing")
    return value


def _writable_by(path: Path, status: os.stat_result) -> str:
    """Return who else than root and this user may write the file or exchange it, or ''."""
    for name, of in ((path, status), (path.parent, os.stat(path.parent))):
        if of.st_uid not in (0, os.geteuid()):
            return f"user {of.st_uid}, who owns {name}"
        if of.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"others, since {name} has mode {stat.S_IMODE(of.st_mode):04o}"
    return ""


class BaselineWriter:
    """Writes a baseline into a stream.

    :ivar digest: of the whole, after :meth:`close`.
    :ivar entries: how many paths it holds, after :meth:`close`.
    """

    def __init__(self, stream: BinaryIO, *, accepted: datetime, reason: str, previous: str | None) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.entries = 0
        self._lines: list[str] = []
        self.digest = ""
        head = {
            "format": FORMAT, "version": VERSION, "accepted": to_iso(accepted), "reason": reason, "previous_digest": previous,
        }  # fmt: skip
        self._write(json.dumps(head).encode() + b"\n")

    def add(self, line: str) -> None:
        """Add the line of a path; they come sorted."""
        self._lines.append(line)
        if len(self._lines) >= 1000:
            self._flush()

    def close(self) -> None:
        """Add the line that closes it."""
        self._flush()
        self._write(_closing(self._hash, self.entries))
        self.digest = self._hash.hexdigest()

    def _flush(self) -> None:
        self.entries += len(self._lines)
        self._write("".join(self._lines).encode("utf-8", "surrogateescape"))
        self._lines.clear()

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._stream.write(data)
