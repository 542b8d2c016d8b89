# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered of each backup that was verified: how far, when, and what came of it.

Pruning keeps the newest good one by it, and drills are due by it. It is bookkeeping of this host: one JSON file in the state
directory, ``{path: record}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    read_whole,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock

FILE_NAME = "backups.json"
MAX_RECORDS = 1000
_MAX_BYTES = 4 * 1024 * 1024
_LOCK_NAME = "backups.json.lock"
_LOCK_SECONDS = 30.0
_SAME = ("bytes", "mtime_ns")


def read_records(state_directory: Path) -> dict[str, dict[str, Any]]:
    """Return what is remembered, by the path of the backup; nothing when there is no file.

    A record has ``bytes``, ``mtime_ns``, ``backup_id`` (or None), ``level``, ``status`` and ``verified`` (ISO 8601), and after
    a drill ``drilled`` (ISO 8601), ``drill_seconds`` and ``drill_status``.

    :raises UpkeepError: when it cannot be read, or is none: what nobody knows is not taken for nothing.
    """
    path = state_directory / FILE_NAME
    data = read_whole(path, _MAX_BYTES)
    if data is None:
        return {}
    try:
        records = json.loads(data)
    except (ValueError, RecursionError):
        records = None
    if not isinstance(records, dict) or len(data) > _MAX_BYTES or not all(isinstance(record, dict) for record in records.values()):
        raise UpkeepError(f"{path} is damaged; move it away, and verify the backups again")
    return records


def is_remembered(record: Mapping[str, Any], size: int, mtime_ns: int) -> bool:
    """Tell whether a record is about the file as it is now."""
    return (record.get("bytes"), record.get("mtime_ns")) == (size, mtime_ns)


def remember(state_directory: Path, found: Mapping[str, Mapping[str, Any]], owner: LockOwner) -> None:
    """Merge what was found into what is remembered; the records verified longest ago are forgotten beyond MAX_RECORDS.

    What an earlier drill has shown stays with a backup as long as the file is the same.

    :param found: keys of a record by the path of the backup.
    :raises UpkeepError: when it cannot be read or written.
    """
    if not found:
        return
    make_private_directory(state_directory)
    with exclusive_lock(state_directory / _LOCK_NAME, owner, wait_seconds=_LOCK_SECONDS):
        records = merged(read_records(state_directory), found)
        content = json.dumps(records, indent=1, sort_keys=True, allow_nan=False) + "\n"
        write_atomically(state_directory / FILE_NAME, content.encode("ascii"))


def merged(records: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the records with what was found, at most MAX_RECORDS of them, those verified last."""
    result = {path: dict(record) for path, record in records.items()}
    for path, record in found.items():
        earlier = result.get(path, {})
        same = all(earlier.get(key) == record.get(key) for key in _SAME)
        result[path] = {**earlier, **record} if same else dict(record)
    newest = sorted(result, key=lambda path: str(result[path].get("verified")), reverse=True)[:MAX_RECORDS]
    return {path: result[path] for path in newest}
