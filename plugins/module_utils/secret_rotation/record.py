# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is noted of a rotation, for root only: which keys of which files, and copies of the files from before.

The record holds no value. Of a new one it has the SHA-256, which tells nothing of 128 random bits or more.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    read_whole,
    remove_leftovers,
    sync_directory,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import INCIDENT_ID
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.environment import MAX_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

DIRECTORY = "secrets"
SCHEMA = 1
_KEPT = re.compile(r"[0-9a-f]{16}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OTHERWISE = "no record of a rotation; look at it and at the folder beside it"


@dataclass(frozen=True)
class Entry:
    """A key of a file that has a new value.

    :ivar written: SHA-256 of the new value.
    :ivar kept: name of the copy of the file from before, "" when it was forgotten.
    :ivar done: all files of the run have their new values; without it the next run puts the old ones back.
    :ivar confirmed: services run with it, as somebody has said.
    """

    path: str
    key: str
    written: str
    kept: str
    since: str
    done: bool = False
    confirmed: bool = False


@dataclass(frozen=True)
class Rotation:
    """Everything that was given a new value under one id."""

    rotation_id: str
    run_id: str
    entries: tuple[Entry, ...] = field(default_factory=tuple)

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if not entry.done)


def with_others(rotation: Rotation, others: Mapping[Entry, Entry]) -> Rotation:
    """Return a rotation with other entries in place of some."""
    return dataclasses.replace(rotation, entries=tuple(others.get(entry, entry) for entry in rotation.entries))


def without(rotation: Rotation, entries: Collection[Entry]) -> Rotation:
    """Return a rotation without some entries."""
    return dataclasses.replace(rotation, entries=tuple(entry for entry in rotation.entries if entry not in entries))


def check_id(rotation_id: str) -> str:
    """Return the id of a rotation when it is one that can be a name of a file.

    :raises UpkeepError: otherwise.
    """
    # A folder of copies with that end would be where the record of another id belongs.
    if not INCIDENT_ID.fullmatch(rotation_id) or rotation_id.endswith(".json"):
        raise UpkeepError(
            f"rotation_id: {plain(rotation_id, 100)!r} is no id; take up to 64 letters, digits, dots, underscores and hyphens, without .json at the end."
        )
    return rotation_id


def known_ids(state_directory: Path) -> list[str]:
    """Return the ids of which something is noted.

    :raises UpkeepError: when nobody can tell: what may not be looked at is not empty.
    """
    folder = state_directory / DIRECTORY
    try:
        found = [Path(name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise UpkeepError(f"cannot look for rotated secrets in {folder}: {exc.strerror}") from exc
    return sorted(path.stem for path in found if path.suffix == ".json" and INCIDENT_ID.fullmatch(path.stem))


def read_rotation(state_directory: Path, rotation_id: str) -> Rotation:
    """Return what is noted under an id; without entries when nothing is.

    :raises UpkeepError: when it cannot be read.
    """
    path = state_directory / DIRECTORY / f"{check_id(rotation_id)}.json"
    return read_state_record(path, SCHEMA, lambda record: _rotation(record, rotation_id), otherwise=_OTHERWISE) or Rotation(rotation_id, "")


def write_rotation(state_directory: Path, rotation: Rotation) -> None:
    """Put it on disk, or take it away when nothing is left of it; and then the copies that nobody needs any more.

    :raises UpkeepError: when it cannot be written; what was there before is then still there.
    """
    path = state_directory / DIRECTORY / f"{rotation.rotation_id}.json"
    make_private_directory(state_directory)
    make_private_directory(path.parent)
    if rotation.entries:
        write_atomically(path, json.dumps({"schema": SCHEMA, **asdict(rotation)}, indent=1).encode())
    else:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    forget_copies(state_directory, rotation.rotation_id, {entry.kept for entry in rotation.entries})


def keep_copy(state_directory: Path, rotation_id: str, content: bytes) -> str:
    """Keep a file as it was before; return the name of the copy.

    :raises UpkeepError: when it cannot be written.
    """
    folder = state_directory / DIRECTORY / rotation_id
    for one in (state_directory, folder.parent, folder):
        make_private_directory(one)
    name = secrets.token_hex(8)
    write_atomically(folder / name, content)
    return name


def read_copy(state_directory: Path, rotation_id: str, entry: Entry) -> bytes | None:
    """Return a file as it was before, or None when it was forgotten.

    :raises UpkeepError: when it cannot be read.
    """
    return read_whole(state_directory / DIRECTORY / rotation_id / entry.kept, MAX_BYTES) if entry.kept else None


def forget_copies(state_directory: Path, rotation_id: str, needed: Collection[str]) -> int:
    """Remove all copies but those that are needed, also those that a killed run had not noted yet; return how many.

    :raises UpkeepError: when one cannot be removed.
    """
    folder = state_directory / DIRECTORY / rotation_id
    if not folder.is_dir():
        return 0
    removed = 0
    try:
        for path in folder.iterdir():
            if _KEPT.fullmatch(path.name) and path.name not in needed:
                path.unlink()
                removed += 1
        remove_leftovers(folder, now=float("inf"))
        sync_directory(folder)
        if not os.listdir(folder):
            folder.rmdir()
    except OSError as exc:
        raise UpkeepError(f"cannot remove what is in {folder}: {exc.strerror}") from exc
    return removed


def tidy(state_directory: Path) -> None:
    """Remove what killed runs were writing: half a record, and copies that no record knows of.

    :raises UpkeepError: when a record cannot be read, or something cannot be removed.
    """
    folder = state_directory / DIRECTORY
    if not folder.is_dir():
        return
    remove_leftovers(folder, now=float("inf"))
    for path in folder.iterdir():
        if INCIDENT_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            forget_copies(state_directory, path.name, {entry.kept for entry in read_rotation(state_directory, path.name).entries})


def _rotation(record: Mapping[str, Any], rotation_id: str) -> Rotation:
    entries = tuple(Entry(**row) for row in record["entries"])
    if record["rotation_id"] != rotation_id or not all(
        _DIGEST.fullmatch(one.written) and (not one.kept or _KEPT.fullmatch(one.kept)) for one in entries
    ):
        raise ValueError("rotation_id, written or kept")
    return Rotation(record["rotation_id"], plain(record["run_id"], 100), entries)
