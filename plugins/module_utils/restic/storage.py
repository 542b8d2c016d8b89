# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a repository on this host takes, how much is written into it each day, and for how long there is room.

Of one elsewhere nobody here knows how much is free, so that nothing is said about it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.storage import WARNING_DAYS, free_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text

CHECK = "backup.storage"
_CRITICAL_DAYS = 1.0
_RECENT = timedelta(days=7)
#: The first backup brings everything, which says nothing of what a day adds.
_FIRST = timedelta(hours=12)
_LEAST_SPAN = timedelta(hours=12)
#: So many packs are counted; with restic's size of them that is some terabytes.
MAX_PACKS = 500_000

#: Size in bytes and time of the last change, seconds since 1970.
Pack = tuple[int, float]


class TooMany(Exception):
    """A repository with more packs than are counted."""


def read_packs(repository: str) -> list[Pack]:
    """Return the packs of a repository.

    :raises OSError: when somebody keeps them from being listed.
    :raises TooMany: when there are more than MAX_PACKS.
    """
    packs: list[Pack] = []
    with os.scandir(os.path.join(repository, "data")) as folders:
        for folder in sorted(entry.path for entry in folders if entry.is_dir(follow_symlinks=False)):
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # pruned meanwhile
                    packs.append((status.st_size, status.st_mtime))
            if len(packs) > MAX_PACKS:
                raise TooMany
    return packs


def written_per_day(packs: Sequence[Pack], now: datetime) -> float | None:
    """Return how many bytes were written each day of the last week; None when the repository is too young to tell."""
    if not packs:
        return None
    end = now.timestamp()
    start = max(end - _RECENT.total_seconds(), min(moment for _size, moment in packs) + _FIRST.total_seconds())
    if end - start < _LEAST_SPAN.total_seconds():
        return None
    return sum(size for size, moment in packs if start < moment <= end) * 86_400 / (end - start)


def repository_check(group: Group, path: str, now: datetime) -> dict[str, Any]:
    """Say for how many days there is room where a repository on this host is."""
    try:
        packs = read_packs(path)
    except OSError as problem:
        return _unknown(group, f"{path} cannot be looked at: {problem.strerror}")
    except TooMany:
        return _unknown(group, f"{path} has more than {MAX_PACKS} packs, which are not counted")
    free = free_bytes(path)
    if free is None:
        return _unknown(group, f"nobody can tell how much is free at {path}")
    return judged(group, path, packs, free, now)


def judged(group: Group, path: str, packs: Sequence[Pack], free: int, now: datetime) -> dict[str, Any]:
    """Judge what was counted."""
    total, rate = sum(size for size, _moment in packs), written_per_day(packs, now)
    days = None if rate is None else round(free / max(rate, 1.0), 1)
    text = f"{path} takes {figure_text(total, 'bytes')}, {figure_text(free, 'bytes')} are free"
    status, hint = OK, ""
    if rate is not None and days is not None:
        text += f"; {figure_text(rate, 'bytes')} were written each day of the last week: room for {figure_text(days, 'days')}"
        if days < _CRITICAL_DAYS:
            status, hint = CRITICAL, "Make room: the next backup may not fit."
        elif days < WARNING_DAYS:
            status, hint = WARNING, "Keep fewer snapshots, prune, or give the repository a larger file system."
    if not free:
        status, hint = CRITICAL, "Make room: the next backup cannot be made."
    evidence = {"bytes": total, "free_bytes": free, "bytes_per_day": None if rate is None else round(rate), "packs": len(packs)}
    return check_result(
        CHECK, group.subject, status, f"{text}.", value=days, unit="days", warning=WARNING_DAYS, critical=_CRITICAL_DAYS, hint=hint,
        evidence=evidence,
    )


def _unknown(group: Group, reason: str) -> dict[str, Any]:
    hint = "Run the task with become: true, or look at its file system."
    return check_result(CHECK, group.subject, UNKNOWN, f"{reason}.", unit="days", hint=hint)
