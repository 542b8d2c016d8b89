# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forget the snapshots that a policy does not keep, by the same rules as archives, and free the room that they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile, Found
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pruning import (
    GOOD,
    Decision,
    Plan,
    plan_pruning,
    read_policy,
    state_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.remembering import read_records
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, open_client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.listing import find_snapshots
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

MAX_ROWS = 1000
#: Ids of snapshots for one command line.
_AT_ONCE = 500


def forget_backups(options: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Forget what the policy does not keep and return what the module returns.

    :param options: the options of the module ``restic_forget``.
    :raises UpkeepError: when an option is not accepted, the repository cannot be opened, or a snapshot cannot be forgotten.
    """
    read_policy(options)
    client = open_client(options, only_looking=check_mode)
    if check_mode:
        found, plan, _ids = _plan(client, options, now)
        return _answer(client, options, found, plan, plan.removed[::-1], pruned=bool(options["prune"] and plan.removed))
    owner = LockOwner(options["run_id"] or "-", "restic_forget", to_iso(now))
    with exclusive_lock(Path(options["state_directory"]) / "lock", owner, wait_seconds=options["lock_wait_seconds"]):
        found, plan, ids = _plan(client, options, now)
        going = plan.removed[::-1]
        done: list[Decision] = []
        pruned = False
        try:
            for start in range(0, len(going), _AT_ONCE):
                some = going[start : start + _AT_ONCE]
                client.call(arguments.forget(ids[decision.file.path] for decision in some))
                done += some
            if options["prune"] and done:
                client.call(arguments.prune())
                pruned = True
        except UpkeepError as error:
            raise UpkeepError(error.message, **_answer(client, options, found, plan, done, pruned=False)) from error
    return _answer(client, options, found, plan, done, pruned=pruned)


def _plan(client: Client, options: Mapping[str, Any], now: datetime) -> tuple[Found, Plan, dict[str, str]]:
    """Return what is there, what becomes of it, and the ids of the snapshots by their names.

    :raises UpkeepError: when the repository cannot be opened.
    """
    found, snapshots, _unfinished = find_snapshots(client, options, 0)
    if found.problem:
        raise UpkeepError(f"{found.problem}. {found.hint}")
    records = read_records(Path(options["state_directory"]))
    states = {file.path: _state(file, records) for file in found.files}
    protect = set(options["protect"])
    protected = {file.path for file, snapshot in zip(found.files, snapshots) if _named(snapshot) & protect}
    plan = plan_pruning(found.files, read_policy(options), states, now=now, protect=protected)
    ids = {file.path: snapshot.id for file, snapshot in zip(found.files, snapshots)}
    if len(ids) < len(snapshots):
        raise UpkeepError(f"{client.subject}: two snapshots begin with the same digits; nothing was forgotten")
    return found, plan, ids


def _state(file: BackupFile, records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is known of a snapshot. Its size is not asked for: what has its id and time is the same."""
    size = records.get(file.path, {}).get("bytes")
    return state_of(replace(file, bytes=size) if isinstance(size, int) else file, records)


def _named(snapshot: Snapshot) -> set[str]:
    return {snapshot.id, snapshot.short, snapshot.backup_id}


def _answer(
    client: Client, options: Mapping[str, Any], found: Found, plan: Plan, removed: Sequence[Decision], *, pruned: bool
) -> dict[str, Any]:
    checks = [_check(client, options, found, plan, removed)]
    limit = None if options["return_all"] else MAX_ROWS
    return {
        "changed": bool(removed),
        "status": worst_of(checks),
        "checks": checks,
        "kept": [{**_row(decision), "reasons": decision.reasons} for decision in plan.kept][:limit],
        "removed": [_row(decision) for decision in removed][:limit],
        "pruned": pruned,
        "totals": {
            "backups": len(plan.decisions), "kept": len(plan.decisions) - len(removed), "removed": len(removed),
            "verified": sum(decision.state == GOOD for decision in plan.decisions),
        },
        "diff": _diff(plan, removed),
    }


def _row(decision: Decision) -> dict[str, Any]:
    return {"path": decision.file.path, "created": to_iso(decision.file.created), "state": decision.state}


def _check(
    client: Client, options: Mapping[str, Any], found: Found, plan: Plan, removed: Sequence[Decision]
) -> dict[str, Any]:
    total = len(plan.decisions)
    kept = total - len(removed)
    text, status, hint = f"{kept} of {total} snapshots in {client.subject} are kept, {len(removed)} forgotten.", OK, ""
    if found.absent:
        status, text, hint = UNKNOWN, f"{found.absent}; nothing was forgotten.", found.hint
    elif total and plan.newest_good is None:
        status = UNKNOWN
        text = f"None of the {total} snapshots in {client.subject} is known to be good; nothing was forgotten."
        hint = "Verify the newest with restic_verify and remember: true, then forget again."
    elif plan.future:
        status = WARNING
        text += f" {plan.future} of them are dated in the future; they neither go nor take a place."
        hint = "Correct the clock."
    return check_result("backup.prune", options["label"], status, text, value=kept, unit="count", hint=hint)


def _diff(plan: Plan, removed: Sequence[Decision]) -> dict[str, str]:
    gone = {decision.file.path for decision in removed}
    before = [decision.file for decision in plan.decisions]
    return {"before": _lines(before), "after": _lines([file for file in before if file.path not in gone])}


def _lines(files: Sequence[BackupFile]) -> str:
    more = f"... and {len(files) - MAX_ROWS} more\n" if len(files) > MAX_ROWS else ""
    return "".join(f"{file.path.rpartition('#')[2]} {to_iso(file.created)}\n" for file in files[:MAX_ROWS]) + more
