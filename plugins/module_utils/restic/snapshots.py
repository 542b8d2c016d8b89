# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The snapshots of a repository that count as backups, read from what restic lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import is_run_id

#: restic writes nanoseconds, which Python 3.9 does not read.
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ID = re.compile(r"[0-9a-f]{64}")
#: The newest one that counts.
LATEST = "latest"
_BACKUP_ID, _LABEL = "backup_id=", "label="


@dataclass(frozen=True)
class Snapshot:
    """One snapshot.

    :ivar id: 64 hexadecimal digits.
    :ivar created: when it was begun, UTC.
    :ivar backup_id: of the backup that it is; empty when something else made it.
    :ivar bytes: what it holds, None when this version of restic does not list it.
    """

    id: str
    created: datetime
    host: str
    paths: tuple[str, ...]
    tags: tuple[str, ...]
    backup_id: str
    label: str
    bytes: int | None
    files: int | None

    @property
    def short(self) -> str:
        """The first digits of the id, as restic shows them."""
        return self.id[:8]


def parse_snapshots(listed: Any) -> list[Snapshot]:
    """Return the snapshots that ``restic snapshots --json`` lists, newest first.

    :raises UpkeepError: when it lists something else.
    """
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise UpkeepError("restic lists no snapshots but something else; is its version supported?")
    found = [_snapshot(row) for row in listed]
    return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.id), reverse=True)


def finished(snapshots: list[Snapshot], unfinished: Collection[str]) -> list[Snapshot]:
    """Return those that count: whose backup did not fail, and was not killed before its end was known.

    :param unfinished: ids of such backups.
    """
    return [snapshot for snapshot in snapshots if snapshot.backup_id not in unfinished or not snapshot.backup_id]


def choose(snapshots: Sequence[Snapshot], wanted: str) -> Snapshot:
    """Return the snapshot that is meant.

    :param snapshots: newest first.
    :param wanted: ``latest``, the id of a backup, or the first digits of the id of a snapshot, at least eight.
    :raises UpkeepError: when there is none, or more than one.
    """
    if wanted == LATEST:
        found = list(snapshots[:1])
    else:
        found = [one for one in snapshots if wanted == one.backup_id or len(wanted) >= 8 and one.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    here = ", ".join(f"{one.short} ({one.created:%Y-%m-%d %H:%M} UTC)" for one in snapshots[:5]) or "none"
    what = "more than one is called" if found else "no snapshot that counts is called"
    raise UpkeepError(f"snapshot: {what} {plain(wanted, 80)}; the newest are {here}")


def moment(text: str) -> datetime:
    """Read a time of restic.

    :raises ValueError: when it is none.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no time")
    zone = "+00:00" if match.group(3) == "Z" else match.group(3)
    return datetime.fromisoformat(match.group(1) + zone).astimezone(timezone.utc)


def _snapshot(row: Any) -> Snapshot:
    try:
        tags = tuple(str(tag) for tag in row.get("tags") or ())
        summary = row.get("summary")
        summary = summary if isinstance(summary, Mapping) else {}
        identity = row["id"]
        if not _ID.fullmatch(identity):
            raise ValueError("no id")
        backup_id = _after(_BACKUP_ID, tags)
        return Snapshot(
            id=identity, created=moment(row["time"]), host=str(row.get("hostname", "")),
            paths=tuple(str(path) for path in row.get("paths") or ()), tags=tags,
            backup_id=backup_id if is_run_id(backup_id) else "", label=_after(_LABEL, tags),
            bytes=_number(summary.get("total_bytes_processed")), files=_number(summary.get("total_files_processed")),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UpkeepError("restic lists a snapshot without id or time; is its version supported?") from None


def _after(prefix: str, tags: tuple[str, ...]) -> str:
    return next((tag[len(prefix) :] for tag in tags if tag.startswith(prefix)), "")


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
