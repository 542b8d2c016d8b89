# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills with snapshots: fetched as an archive into a private folder, and tried there like any other backup."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_folder import NoFolder, drill_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import Drill, read_drill
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_round import Round, drill_group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drilling import Drilled, drill_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import read_records
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, UNKNOWN
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import examine, read_header
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.failures import DAMAGED, ResticFailure
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.fetching import make_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import refuse_space_at

_ARCHIVE = "snapshot.tar"


def drill_snapshots(
    client: Client, group: Group, files: Sequence[BackupFile], snapshots: Sequence[Snapshot], options: Mapping[str, Any], *,
    now: datetime, read_only: bool,
) -> Round:
    """Try to restore snapshots when that is due, and say how long ago the last good drill was.

    :param files: the snapshots as backups, newest first.
    :param options: with ``drill`` and ``state_directory``.
    :raises UpkeepError: when an option is not accepted.
    """
    drill = read_drill(options["drill"])
    try:
        records = read_records(Path(options["state_directory"]))
    except UpkeepError:
        records = {}  # then a drill is due, and keeping it says what is wrong
    by_path = {file.path: snapshot for file, snapshot in zip(files, snapshots)}
    folder, name = os.path.split(client.subject)
    ours = replace(group, directory=folder, patterns=(f"{glob.escape(name)}#*",))
    limits = Limits(time.monotonic() + drill.timeout_seconds, options["max_ratio"], 5_000_000, 80 * 1024 * 1024)
    return drill_group(ours, files, drill, records, limits, now=now, read_only=read_only, try_one=_trial(client, by_path))


def _trial(client: Client, by_path: Mapping[str, Snapshot]) -> Callable[[str, Drill, Limits], Drilled]:
    """Return what tries one snapshot; whatever goes wrong is in its answer."""

    def try_one(path: str, drill: Drill, limits: Limits) -> Drilled:
        done, started = Drilled(path), time.monotonic()
        try:
            with drill_folder(drill.directory) as folder:
                archive = _fetched(client, by_path[path], Path(folder))
                done = replace(drill_backup(str(archive), drill, limits), path=path)
        except (NoFolder, ResticFailure) as problem:
            damaged = isinstance(problem, ResticFailure) and problem.kind == DAMAGED
            done.problems.append((CRITICAL if damaged else UNKNOWN, problem.message.rstrip(".")))
        except UpkeepError as problem:
            done.problems.append((CRITICAL, problem.message.rstrip(".")))
        done.seconds = round(time.monotonic() - started, 3)
        return done

    return try_one


def _fetched(client: Client, snapshot: Snapshot, folder: Path) -> Path:
    header = read_header(client, snapshot)
    if header is None:
        raise NoFolder(f"snapshot {snapshot.short} was not made by restic_backup and has no manifest; only restic_restore restores it")
    size = examine(client, snapshot, ())
    try:
        refuse_space_at(str(folder), 3 * size.bytes, 2 * size.members)
    except UpkeepError as problem:
        raise NoFolder(problem.message) from problem
    make_archive(client, snapshot, header, folder / _ARCHIVE)
    return folder / _ARCHIVE
