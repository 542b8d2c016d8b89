# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verify the newest snapshots of a host: their age and size, what they hold, and whether the repository can give it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups import judging
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import check_label
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_round import Round
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile, Found
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import CONTENT, EXISTS, MANIFEST, READABLE, Group
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import FILE_NAME, remember
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, fold_ok, worst, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments, judged
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, open_client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import examine, read_header
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.failures import DAMAGED, ResticFailure
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.judged import Examined, RepositoryCheck
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.listing import find_snapshots
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.storage import repository_check
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.trying import drill_snapshots
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

LEVELS = (EXISTS, READABLE, MANIFEST, CONTENT)
_RANGES = {
    "newest": (1, 100), "max_age_hours": (0, 1_000_000), "min_bytes": (0, 2**62), "max_shrink_percent": (0, 100),
    "max_ratio": (1, 1_000_000),
}
#: The newest one is compared with so many before it, itself counted.
_COMPARED = 6


def verify_backups(options: Mapping[str, Any], *, now: datetime, read_only: bool) -> dict[str, Any]:
    """Look at the newest snapshots of a host and return what the module returns.

    :param options: the options of the module ``restic_verify``.
    :param read_only: nothing is remembered (check mode).
    :raises UpkeepError: naming the option that is not accepted.
    """
    refuse_out_of_range(options, _RANGES)
    client = open_client(options, only_looking=read_only)
    group = _group(options, client.subject)
    measured = max(group.newest, _COMPARED if group.max_shrink_percent else 0)
    found, snapshots, unfinished = find_snapshots(client, options, measured, now)
    looked_at, checked = [], RepositoryCheck()
    if found.files and group.reaches(READABLE):
        checked = check_repository(client, options, read_data=group.reaches(CONTENT))
    for file, snapshot in list(zip(found.files, snapshots))[: group.newest]:
        looked_at.append(_examined(client, group, file, snapshot, options["require"]))
    checks = _checks(group, found, looked_at, checked, now)
    if found.files and client.repository.local_path:
        checks.append(repository_check(group, client.repository.local_path, now))
    records = _records(group, looked_at, checked, now) if group.reaches(READABLE) else {}
    drills = Round()
    if options["drill"] is not None:
        drills = drill_snapshots(client, group, found.files, snapshots, options, now=now, read_only=read_only)
        checks += drills.checks
        for path, record in drills.records.items():
            records[path] = {"verified": to_iso(now), **records.get(path, {}), **record}
    if options["remember"] and not read_only:
        checks += _remember(options, records, now)
    rows = [_row(group, one, checked, now, newest=not number) for number, one in enumerate(looked_at)]
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=options["return_all"]),
        "drills": drills.rows,
        "backups": [row for row in rows if options["return_all"] or row["status"] != OK],
        "totals": {
            "backups": len(rows), "ok": sum(row["status"] == OK for row in rows), "bytes": sum(row["bytes"] for row in rows),
            "members": sum(row["members"] or 0 for row in rows), "unfinished": unfinished,
        },
    }


def check_repository(client: Client, options: Mapping[str, Any], *, read_data: bool) -> RepositoryCheck:
    """Let restic check the repository."""
    subset = options["read_data_subset"] or ""
    try:
        client.call(arguments.check(read_data=read_data, subset=subset))
    except ResticFailure as problem:
        if problem.kind == DAMAGED:
            return RepositoryCheck(damaged=True, hint=problem.hint, lines=problem.lines)
        return RepositoryCheck(problem=problem.sentence, hint=problem.hint)
    read = "all of it was read" if read_data else f"{plain(subset, 20)} of it were read" if subset else ""
    return RepositoryCheck(read=read)


def _group(options: Mapping[str, Any], subject: str) -> Group:
    return Group(
        subject=check_label(options["label"]), path="", directory=subject, patterns=(), newest=options["newest"],
        level=options["level"], max_age_hours=options["max_age_hours"] or None, min_bytes=options["min_bytes"],
        max_shrink_percent=options["max_shrink_percent"] or None, require=tuple(options["require"]),
    )


def _examined(client: Client, group: Group, file: BackupFile, snapshot: Snapshot, require: list[str]) -> Examined:
    one = Examined(file, snapshot.id, snapshot.backup_id)
    if not group.reaches(READABLE):
        return one
    try:
        one.contents = examine(client, snapshot, require)
    except ResticFailure as problem:
        one.problem, one.hint = problem.sentence, problem.hint
        return one
    if group.reaches(MANIFEST):
        try:
            one.header = read_header(client, snapshot)
        except UpkeepError as problem:
            one.manifest_problem = problem.message.rstrip(".")
        if one.header:
            one.differences = judged.dump_differences(one.header, one.contents)
    return one


def _checks(
    group: Group, found: Found, looked_at: list[Examined], checked: RepositoryCheck, now: datetime
) -> list[dict[str, Any]]:
    checks = [judging.presence_check(group, found)]
    if not found.files:
        return checks
    future = judging.future_check(group, found, now)
    if future:
        checks.append(future)
    checks += [judging.age_check(group, found.files[0], now), judging.size_check(group, found.files[: group.newest])]
    shrunk = judging.shrink_check(group, found.files[:_COMPARED])
    if shrunk:
        checks.append(shrunk)
    if group.reaches(READABLE):
        checks += [judged.readable_check(group, looked_at, checked), judged.content_check(group, looked_at)]
    if group.reaches(MANIFEST):
        checks.append(judged.manifest_check(group, looked_at))
    if group.reaches(CONTENT):
        checks.append(judged.hashes_check(group, checked))
    return checks


def _statuses(group: Group, one: Examined, checked: RepositoryCheck) -> list[str]:
    statuses = [checked.status, judged.content_status(one)] if group.reaches(READABLE) else []
    return [*statuses, judged.manifest_status(one)] if group.reaches(MANIFEST) else statuses


def _row(group: Group, one: Examined, checked: RepositoryCheck, now: datetime, *, newest: bool) -> dict[str, Any]:
    file, contents = one.file, one.contents
    statuses = [judging.size_check(group, [file])["status"], *_statuses(group, one, checked)]
    if newest:
        statuses.append(judging.age_check(group, file, now)["status"])
    return {
        "name": group.subject, "path": file.path, "format": "restic", "snapshot": one.snapshot_id, "backup_id": one.backup_id or None,
        "created": to_iso(file.created), "created_from": file.created_from, "age_hours": judging.age_hours(file, now),
        "bytes": file.bytes, "unpacked_bytes": contents.bytes if contents else None,
        "members": contents.members if contents else None, "level": group.level, "status": worst(statuses),
        "problems": [{"problem": line} for line in checked.lines[:20]],
        "missing": [plain(pattern) for pattern in contents.missing] if contents else [], "differences": one.differences[:20],
    }


def _records(group: Group, looked_at: list[Examined], checked: RepositoryCheck, now: datetime) -> dict[str, dict[str, Any]]:
    return {
        one.file.path: {
            "bytes": one.file.bytes, "mtime_ns": one.file.mtime_ns, "backup_id": one.backup_id or None, "level": group.level,
            "status": worst(_statuses(group, one, checked)), "verified": to_iso(now),
        }
        for one in looked_at
    }


def _remember(options: Mapping[str, Any], records: dict[str, dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Keep what was found for later runs; return a check when that fails: what was found is right all the same."""
    directory = options["state_directory"]
    try:
        remember(Path(directory), records, LockOwner(options["run_id"] or "-", "restic_verify", to_iso(now)))
    except UpkeepError as error:
        text = f"What was found could not be kept for later runs: {error.message}."
        hint = "Make the state directory writable for the user of this task: no old backup is pruned by what nobody knows."
        return [check_result("backup.remembered", str(Path(directory, FILE_NAME)), UNKNOWN, text, hint=hint)]
    return []
