# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the verification of backups, from options to results."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import judging
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.examining import Examined, examine
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import Found, find_in_directory, find_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import EXISTS, Group, read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, fold_ok, worst, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


def verify_backups(options: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Look at the newest backups of every group and return what the module returns.

    :param options: the options of the module ``backup_verify``.
    :param now: the moment to which ages are counted.
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
    for group in read_groups(options):
        found = find_path(group.path) if group.path else find_in_directory(group.directory, group.patterns)
        looked_at = _examine(group, found, limits, options["nested_exclude"])
        checks += _checks(group, found, looked_at, now)
        rows += [_row(group, one, now, newest=not number) for number, one in enumerate(looked_at)]
    listed = [row for row in rows if options["return_all"] or row["status"] != OK]
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=options["return_all"]),
        "backups": listed,
        "totals": _totals(rows),
    }


def _examine(group: Group, found: Found, limits: Limits, exclude: list[str]) -> list[Examined]:
    newest = found.files[: group.newest]
    if group.level == EXISTS:
        return [Examined(file) for file in newest]
    return [examine(file, limits, require=group.require, exclude=exclude) for file in newest]


def _checks(group: Group, found: Found, looked_at: list[Examined], now: datetime) -> list[dict[str, Any]]:
    checks = [judging.presence_check(group, found)]
    if not found.files:
        return checks
    checks.append(judging.age_check(group, found.files[0], now))
    checks.append(judging.size_check(group, found.files[: group.newest]))
    shrunk = judging.shrink_check(group, found.files) if group.directory else None
    if shrunk:
        checks.append(shrunk)
    if group.level != EXISTS:
        checks += [judging.readable_check(group, looked_at), judging.content_check(group, looked_at)]
    return checks


def _row(group: Group, one: Examined, now: datetime, *, newest: bool) -> dict[str, Any]:
    file, contents = one.file, one.contents
    statuses = [judging.size_check(group, [file])["status"]]
    if newest:  # the age of the others says nothing
        statuses.append(judging.age_check(group, file, now)["status"])
    if group.level != EXISTS:
        statuses += [judging.readable_status(one), judging.content_status(one)]
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
        "level": group.level,
        "status": worst(statuses),
        "problems": [judging.problem_row(problem) for problem in contents.problems] if contents else [],
        "missing": [plain(pattern) for pattern in contents.missing] if contents else [],
    }


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {
        "backups": len(rows),
        "ok": sum(row["status"] == OK for row in rows),
        "bytes": sum(row["bytes"] for row in rows),
        "members": sum(row["members"] or 0 for row in rows),
    }
