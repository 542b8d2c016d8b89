# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the backups of a group take, how much is added each day, and for how long there is room."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text

#: Older backups are fewer, since some were pruned, and say nothing of what is added each day.
_RECENT = timedelta(days=7)
_LEAST_SPAN = timedelta(hours=12)
WARNING_DAYS = 3.0


def growth_per_day(files: Sequence[BackupFile], now: datetime) -> float | None:
    """Return how many bytes of backups were made each day lately; None when too few are there to tell.

    :param files: newest first.
    """
    recent = [file for file in files if file.created <= now + timedelta(hours=1)]
    recent = [file for file in recent if file.created > recent[0].created - _RECENT] if recent else []
    if len(recent) < 2 or recent[0].created - recent[-1].created < _LEAST_SPAN:
        return None
    days = (recent[0].created - recent[-1].created).total_seconds() / 86_400
    return sum(file.bytes for file in recent[:-1]) / days


def free_bytes(directory: str) -> int | None:
    """Return what is free on the file system of a folder, in bytes; None when nobody can look."""
    try:
        space = os.statvfs(directory)
    except OSError:
        return None
    return (space.f_bfree if os.geteuid() == 0 else space.f_bavail) * space.f_frsize


def storage_check(group: Group, files: Sequence[BackupFile], free: int | None, now: datetime) -> dict[str, Any]:
    """Say for how many days of backups there is room when nothing is removed.

    :param files: newest first, at least one.
    """
    total, rate = sum(file.bytes for file in files), growth_per_day(files, now)
    largest = max(file.bytes for file in files[:5])
    count = f"{len(files)} backup{'' if len(files) == 1 else 's'}"
    takes = "takes" if len(files) == 1 else "take"
    text = f"{count} in {group.directory} {takes} {figure_text(total, 'bytes')}"
    evidence = {"bytes": total, "free_bytes": free, "bytes_per_day": None if rate is None else round(rate), "backups": len(files)}
    if free is None:
        return check_result(
            "backup.storage", group.subject, UNKNOWN, f"{text}; nobody can tell how much is free there.", unit="days", evidence=evidence
        )
    text += f", {figure_text(free, 'bytes')} are free"
    days = None if rate is None else round(free / max(rate, 1.0), 1)
    if days is not None and rate is not None:
        text += f"; each day adds {figure_text(rate, 'bytes')}: room for {figure_text(days, 'days')} when nothing is removed"
    status, hint = OK, ""
    if free < largest:
        status, hint = CRITICAL, "Make room: the next backup cannot be made."
        text += f"; that is less than one backup ({figure_text(largest, 'bytes')})"
    elif days is not None and days < WARNING_DAYS:
        status, hint = WARNING, "Keep fewer backups, or give them a larger file system."
    return check_result(
        "backup.storage", group.subject, status, f"{text}.", value=days, unit="days", warning=WARNING_DAYS, hint=hint, evidence=evidence
    )
