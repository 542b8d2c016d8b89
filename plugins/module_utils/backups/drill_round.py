# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drills of one group of backups in one call: whether one is due, with which backups, and what is kept of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_judging import drill_check, drill_row, drilled_check
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import Drill, is_due, known_drills, last_good, sampled
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drilling import Drilled, drill_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


@dataclass
class Round:
    """What came of it.

    :ivar records: what is kept of each drill, by the path of the backup.
    """

    checks: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


def drill_group(
    group: Group,
    files: Sequence[BackupFile],
    drill: Drill,
    records: Mapping[str, Mapping[str, Any]],
    limits: Limits,
    *,
    now: datetime,
    read_only: bool,
    try_one: Callable[[str, Drill, Limits], Drilled] = drill_backup,
) -> Round:
    """Try to restore backups of a group when that is due, and say how long ago the last good drill was.

    :param files: newest first.
    :param records: what is known of earlier drills.
    :param read_only: nothing is restored.
    :param try_one: restores one by its path.
    """
    drills = known_drills(group, records)
    done: list[Drilled] = []
    if not read_only and is_due(drill, drills, now):
        own = replace(limits, deadline=time.monotonic() + drill.timeout_seconds)
        done = [try_one(file.path, drill, own) for file in sampled(drill, files, random.choice)]
    made = Round(rows=[{"name": group.subject, **drill_row(one)} for one in done])
    if done:
        made.checks.append(drill_check(group, done))
        made.records = {one.path: _record(one, files, now) for one in done}
    # One made now counts, and not an older one that a clock dated ahead of it.
    last = last_good([(now, one.status) for one in done]) or last_good(drills)
    known = drilled_check(group, drill, last, now)
    return replace(made, checks=made.checks + [known] if known else made.checks)


def _record(one: Drilled, files: Sequence[BackupFile], now: datetime) -> dict[str, Any]:
    file = next(file for file in files if file.path == one.path)
    return {
        "bytes": file.bytes, "mtime_ns": file.mtime_ns, "drilled": to_iso(now), "drill_seconds": one.seconds, "drill_status": one.status,
    }
