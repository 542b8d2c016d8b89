# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the verification of backups, from options to results."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import judging, manifest_judging
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_time import FROM_MANIFEST
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import Drill, read_drill
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.examining import Examined, examine
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import Found, find_in_directory, find_path, set_aside_future
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import (
    CONTENT,
    DRILL,
    EXISTS,
    MANIFEST,
    READABLE,
    Group,
    read_groups,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import FILE_NAME, read_records, remember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.storage import free_bytes, storage_check
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, fold_ok, worst, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso


def verify_backups(options: Mapping[str, Any], *, now: datetime, read_only: bool) -> dict[str, Any]:
    """Look at the newest backups of every group and return what the module returns.

    :param options: the options of the module ``backup_verify``.
    :param now: the moment to which ages are counted.
    :param read_only: nothing is remembered (check mode).
    :raises UpkeepError: naming the option that is not accepted.
    """
    limits = Limits(
        deadline=time.monotonic() + options["timeout_seconds"],
        ratio=options["max_ratio"],
        members=options["max_members"],
        decoder_bytes=options["max_decoder_bytes"],
        depth=options["nested_depth"],
    )
    checks: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    drills: list[dict[str, Any]] = []
    records: dict[str, dict[str, Any]] = {}
    groups = read_groups(options)
    drill, known = _drill(options, groups)
    for group in groups:
        found = find_path(group.path) if group.path else find_in_directory(group.directory, group.patterns)
        set_aside_future(found, now)
        looked_at = _examine(group, found, limits, options["nested_exclude"])
        checks += _checks(group, found, looked_at, now)
        rows += [_row(group, one, now, newest=not number) for number, one in enumerate(looked_at)]
        if group.reaches(READABLE):
            records.update({one.file.path: _record(group, one, now) for one in looked_at if not one.changing})
        if group.reaches(DRILL):
            # Most calls try nothing, and need not load what restores.
            from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_round import drill_group

            made = drill_group(group, found.files, drill, known, limits, now=now, read_only=read_only)
            checks += made.checks
            drills += made.rows
            for path, record in made.records.items():
                records[path] = {"verified": to_iso(now), **records.get(path, {}), **record}
    if options["remember"] and not read_only:
        checks += _remember(options, records, now)
    listed = [row for row in rows if options["return_all"] or row["status"] != OK]
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=options["return_all"]),
        "backups": listed,
        "drills": drills,
        "totals": _totals(rows),
    }


def _drill(options: Mapping[str, Any], groups: list[Group]) -> tuple[Drill, dict[str, dict[str, Any]]]:
    """Return how restores are tried, and what is known of earlier drills where that matters.

    :raises UpkeepError: when an option is not accepted.
    """
    drill = read_drill(options["drill"])
    if not any(group.reaches(DRILL) for group in groups):
        return drill, {}
    try:
        return drill, read_records(Path(options["state_directory"]))
    except UpkeepError:
        # Then a drill is due, and keeping it says what is wrong.
        return drill, {}


def _examine(group: Group, found: Found, limits: Limits, exclude: list[str]) -> list[Examined]:
    newest = found.files[: group.newest]
    if group.level == EXISTS:
        return [Examined(file) for file in newest]
    hashes = group.reaches(CONTENT)
    return [
        _dated(examine(file, limits, require=group.require, exclude=exclude, compare=group.compares, hashes=hashes))
        for file in newest
    ]


def _dated(one: Examined) -> Examined:
    """Take the time at which a backup was made from its manifest, when it is its own."""
    started = one.verified.header.get("started") if one.verified and not one.verified.problems else None
    try:
        moment = from_iso(started) if isinstance(started, str) else None
    except ValueError:
        return one
    if moment is None:
        return one
    return replace(one, file=replace(one.file, created=moment, created_from=FROM_MANIFEST))


def _checks(group: Group, found: Found, looked_at: list[Examined], now: datetime) -> list[dict[str, Any]]:
    checks = [judging.presence_check(group, found)]
    if not found.files:
        return checks
    future = judging.future_check(group, found, now)
    if future:
        checks.append(future)
    checks.append(judging.age_check(group, looked_at[0].file, now))
    checks.append(judging.size_check(group, found.files[: group.newest]))
    shrunk = judging.shrink_check(group, found.files) if group.directory else None
    if shrunk:
        checks.append(shrunk)
    if group.directory:
        checks.append(storage_check(group, [*found.future, *found.files], free_bytes(group.directory), now))
    if group.reaches(READABLE):
        checks += [judging.readable_check(group, looked_at), judging.content_check(group, looked_at)]
    if group.compares:
        checks.append(manifest_judging.manifest_check(group, looked_at))
        if group.reaches(CONTENT):
            checks.append(manifest_judging.hashes_check(group, looked_at))
    return checks


def _row(group: Group, one: Examined, now: datetime, *, newest: bool) -> dict[str, Any]:
    file, contents = one.file, one.contents
    statuses = [judging.size_check(group, [file])["status"]]
    if newest:  # the age of the others says nothing
        statuses.append(judging.age_check(group, file, now)["status"])
    statuses += _read_statuses(group, one)
    return {
        "name": group.subject,
        "path": plain(file.path),
        "format": contents.format if contents else None,
        "created": to_iso(file.created),
        "created_from": file.created_from,
        "age_hours": judging.age_hours(file, now),
        "bytes": file.bytes,
        "unpacked_bytes": contents.unpacked_bytes if contents else None,
        "members": contents.members if contents else None,
        "archives_inside": contents.inner if contents else None,
        "archives_left_out": contents.inner_left_out if contents else None,
        "gap_bytes": contents.gap_bytes if contents else None,
        "content_checksums": contents.checksums if contents else None,
        "level": _level(group, one),
        "status": worst(statuses),
        "problems": [judging.problem_row(problem) for problem in contents.problems] if contents else [],
        "missing": [plain(pattern) for pattern in contents.missing] if contents else [],
        "differences": manifest_judging.difference_words(one.verified),
        "manifest": manifest_judging.manifest_row(one.verified),
    }


def _read_statuses(group: Group, one: Examined) -> list[str]:
    """Return what reading one backup has shown, as far as the level of its group goes."""
    statuses = [judging.readable_status(one), judging.content_status(one)] if group.reaches(READABLE) else []
    if group.compares:
        statuses.append(manifest_judging.manifest_status(one, group.manifest))
        if group.reaches(CONTENT):
            statuses.append(manifest_judging.hashes_status(one, group.manifest))
    return statuses


def _level(group: Group, one: Examined) -> str:
    """Return how much was looked at: without a manifest no more than that it is readable. Drills have rows of their own."""
    compared = group.compares and not (one.verified and one.verified.absent)
    level = CONTENT if group.level == DRILL else group.level
    return level if compared or not group.reaches(MANIFEST) else READABLE


def _record(group: Group, one: Examined, now: datetime) -> dict[str, Any]:
    return {
        "bytes": one.file.bytes,
        "mtime_ns": one.file.mtime_ns,
        "backup_id": one.verified.header.get("backup_id") if one.verified else None,
        "level": _level(group, one),
        "status": worst(_read_statuses(group, one)),
        "verified": to_iso(now),
    }


def _remember(options: Mapping[str, Any], records: dict[str, dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Keep the records; return a check when that fails: what was found is right all the same."""
    directory = options["state_directory"]
    try:
        remember(Path(directory), records, LockOwner(options["run_id"] or "-", "backup_verify", to_iso(now)))
    except UpkeepError as error:
        text = f"What was found could not be kept for later runs: {error.message}."
        hint = "Make the state directory writable for the user of this task: no old backup is pruned by what nobody knows."
        return [check_result("backup.remembered", str(Path(directory, FILE_NAME)), UNKNOWN, text, hint=hint)]
    return []


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "backups": len(rows),
        "ok": sum(row["status"] == OK for row in rows),
        "bytes": sum(row["bytes"] for row in rows),
        "members": sum(row["members"] or 0 for row in rows),
    }
