# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The baseline of listeners: a file of root whose digest somebody else may keep, since whoever is root can write it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.listening import Listener, Owner, rows
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

FILE = "port-baseline.json"
SCHEMA = 1
_MAX_BYTES = 16 * 1024 * 1024


class NoBaseline(Exception):
    """There is none that can be used; the message is a part of a sentence.

    :ivar missing: there is no file.
    :ivar forgeable: others than root could have written it.
    """

    def __init__(self, message: str, *, missing: bool = False, forgeable: bool = False) -> None:
        super().__init__(message)
        self.missing = missing
        self.forgeable = forgeable


@dataclass(frozen=True)
class Baseline:
    """What was accepted. :ivar digest: SHA-256 of the file, hexadecimal."""

    listeners: tuple[Listener, ...]
    accepted: str
    reason: str
    digest: str


def read_baseline(directory: Path) -> Baseline:
    """Return the baseline.

    :raises NoBaseline: when there is none, or it is damaged or forgeable.
    """
    data = _read(directory / FILE)
    try:
        content = json.loads(data)
        if content["schema"] != SCHEMA:
            raise ValueError
        listeners = tuple(_listener(row) for row in content["listeners"])
        return Baseline(listeners, str(content["accepted"]), str(content["reason"]), digest_of(data))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoBaseline(f"{directory / FILE} is damaged") from None


def new_baseline(listeners: Sequence[Listener], *, reason: str, now: datetime) -> bytes:
    """Return the content of a baseline."""
    content = {"schema": SCHEMA, "accepted": to_iso(now), "reason": reason, "listeners": rows(listeners)}
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def write_baseline(directory: Path, data: bytes) -> None:
    """Put a baseline in place.

    :raises UpkeepError: when it cannot be written; the one before is then untouched.
    """
    make_private_directory(directory)
    write_atomically(directory / FILE, data, 0o600)


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a baseline, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _listener(row: dict[str, Any]) -> Listener:
    owners = tuple(
        Owner(str(one["executable"]), str(one["process"]), str(one["user"]), None if one["unit"] is None else str(one["unit"]))
        for one in row["owners"]
    )
    return Listener(str(row["protocol"]), str(row["address"]), int(row["port"]), owners)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoBaseline("there is no baseline yet", missing=True) from None
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise NoBaseline(f"{path} is a link, which this module never makes", forgeable=True) from None
        raise NoBaseline(f"{path} cannot be read ({exc.strerror})") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NoBaseline(f"{path} is no file", forgeable=True)
    with os.fdopen(descriptor, "rb") as stream:
        folder = os.stat(path.parent)
        for what, one in ((path, status), (path.parent, folder)):
            if one.st_uid not in (0, os.geteuid()) or one.st_mode & 0o022:
                raise NoBaseline(f"others than root can write {what}", forgeable=True)
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise NoBaseline(f"{path} is larger than any baseline")
    return data
