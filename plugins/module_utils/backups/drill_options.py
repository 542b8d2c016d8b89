# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How restores are tried, when, and with which backups. Pure functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec, dump_options, read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import ACCEPTABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

NEWEST, OLDEST, RANDOM = "newest", "oldest", "random"
SAMPLES = (NEWEST, OLDEST, RANDOM)
_SECONDS_OF_A_DAY = 86_400
_RANGES = {"every_days": (0, 10_000), "max_days": (0, 10_000), "timeout_seconds": (1, 86_400)}


@dataclass(frozen=True)
class Drill:
    """How restores are tried.

    :ivar every_days: a drill is due when the last good one is older, in days, or the last one found something; 0: each time.
    :ivar max_days: no good drill for so long is critical, in days; 0 is no limit.
    :ivar directory: where the scratch folder is made.
    :ivar run_as: user of the command; empty: the one of the module.
    :ivar accept: some of ``member_rules.ACCEPTABLE``.
    """

    every_days: float
    max_days: float
    directory: str
    files: tuple[str, ...]
    command: tuple[str, ...]
    run_as: str
    databases: bool
    dumps: tuple[DumpSpec, ...]
    sample: tuple[str, ...]
    timeout_seconds: float
    accept: tuple[str, ...] = ()


def drill_options() -> dict[str, dict[str, Any]]:
    """Return the suboptions of ``drill`` as an argument spec describes them."""
    texts = {"type": "list", "elements": "str", "default": []}
    return {
        "every_days": {"type": "float", "default": 7.0},
        "max_days": {"type": "float", "default": 35.0},
        "directory": {"type": "path", "default": "/var/tmp"},
        "files": {**texts},
        "command": {**texts},
        "run_as": {"type": "str"},
        "databases": {"type": "bool", "default": True},
        "dumps": {"type": "list", "elements": "dict", "options": dump_options(), "default": []},
        "sample": {**texts, "choices": list(SAMPLES), "default": [NEWEST]},
        "accept": {**texts, "choices": list(ACCEPTABLE)},
        "timeout_seconds": {"type": "float", "default": 3600.0},
    }


def read_drill(options: Mapping[str, Any] | None) -> Drill:
    """Return how restores are tried, from the option ``drill``.

    :param options: None: all defaults.
    :raises UpkeepError: naming what is not accepted.
    """
    given: dict[str, Any] = {name: option.get("default") for name, option in drill_options().items()}
    given.update({key: value for key, value in (options or {}).items() if value is not None})
    refuse_out_of_range(given, _RANGES, "drill.")
    if not os.path.isabs(given["directory"]):
        raise UpkeepError(f"drill.directory: {given['directory']!r} is not absolute.")
    if not given["sample"]:
        raise UpkeepError(f"drill.sample: an empty list tries nothing; give {', '.join(SAMPLES)}.")
    for pattern in given["files"]:
        if ".." in pattern.split("/") or not pattern.strip("/"):
            raise UpkeepError(f"drill.files: {pattern!r} is no path in the restored tree.")
    return Drill(
        every_days=float(given["every_days"]),
        max_days=float(given["max_days"]),
        directory=given["directory"],
        files=tuple(given["files"]),
        command=tuple(given["command"]),
        run_as=given["run_as"] or "",
        databases=bool(given["databases"]),
        dumps=tuple(read_dumps(given["dumps"], "drill.dumps")),
        sample=tuple(given["sample"]),
        timeout_seconds=float(given["timeout_seconds"]),
        accept=tuple(given["accept"]),
    )


def known_drills(group: Group, records: Mapping[str, Mapping[str, Any]]) -> list[tuple[datetime, str]]:
    """Return when drills of the group were made, also of backups that are pruned by now, and their status; the oldest first."""
    drills = []
    for path, record in records.items():
        folder, name = os.path.split(path)
        ours = path == group.path or (folder == group.directory.rstrip("/") and any(fnmatchcase(name, one) for one in group.patterns))
        if ours and record.get("drill_status"):
            try:
                drills.append((from_iso(str(record.get("drilled"))), str(record["drill_status"])))
            except ValueError:
                continue
    return sorted(drills)


def last_good(drills: Sequence[tuple[datetime, str]]) -> datetime | None:
    """Return when a backup was last restored well; None for never."""
    return max((moment for moment, status in drills if status in (OK, WARNING)), default=None)


def days_since(moment: datetime, now: datetime) -> float:
    """Return how many days ago a moment was; below 0 when it lies in the future."""
    return round((now - moment).total_seconds() / _SECONDS_OF_A_DAY, 2)


def is_due(drill: Drill, drills: Sequence[tuple[datetime, str]], now: datetime) -> bool:
    """Tell whether a drill is due; a last one in the future says nothing.

    One after a drill that found something always is: without it the problem would leave the report, as if it were mended.
    """
    last = last_good(drills)
    if last is None or not drill.every_days or drills[-1][1] != OK:
        return True
    # A daily run is a few minutes early or late.
    return not 0 <= days_since(last, now) < drill.every_days - 0.1


def sampled(drill: Drill, files: Sequence[BackupFile], pick: Callable[[Sequence[BackupFile]], BackupFile]) -> list[BackupFile]:
    """Return the backups to try, each once.

    :param files: newest first.
    :param pick: returns a random one.
    """
    if not files:
        return []
    chosen = {NEWEST: files[0], OLDEST: files[-1]}
    if RANDOM in drill.sample:
        taken = [chosen[one] for one in drill.sample if one in chosen]
        others = [file for file in files if file not in taken]
        if others:
            chosen[RANDOM] = pick(others)
    return list({chosen[one].path: chosen[one] for one in drill.sample if one in chosen}.values()) or [files[0]]
