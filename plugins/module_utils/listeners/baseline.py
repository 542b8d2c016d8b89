# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The baseline of listeners: a file of root whose digest somebody else may keep, since whoever is root can write it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.guarded_files import Forgeable, read_guarded
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
        data = read_guarded(path, _MAX_BYTES)
    except Forgeable as exc:
        raise NoBaseline(exc.message, forgeable=True) from exc
    except UpkeepError as exc:
        raise NoBaseline(exc.message) from exc
    if data is None:
        raise NoBaseline("there is no baseline yet", missing=True)
    return data
