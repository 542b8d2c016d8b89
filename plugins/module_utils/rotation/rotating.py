# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotating logs: look, decide, move away, tell the writers, wait until they have left, and only then pack and remove."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import is_running
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.answer import build_answer
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.finishing import pack_archives, remove_archives
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.leases import ignoring_broken_leases
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.logrotate_configuration import (
    check_managed_twice,
    read_configuration,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.moving import (
    copy_and_truncate,
    finish_interrupted_copy,
    put_fresh,
    rename_away,
    unlink,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import COPYING, FRESH
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan, plan_logs, plan_removals
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.preflight import (
    Preflight,
    ask_about_archives,
    look_at_writers,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Group, read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.telling import Untold, shown, tell
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.workplace import in_folders
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import (
    Identity,
    Writers,
    find_writers,
    identity_of,
    wait_until_left,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

#: Accepted range of each option that is a time of the whole call, in seconds.
_RANGES = {"wait_seconds": (0, 3600), "timeout_seconds": (0.1, 3600), "lock_wait_seconds": (0, 86_400)}

_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.25


def rotate_logs(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Rotate the logs that are due, finish what an interrupted run left, and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when the options contradict themselves, or another run acts on this host now.
    """
    refuse_out_of_range(params, _RANGES)
    groups = read_groups(params)
    if check_mode:
        plans, unmatched, preflight = _prepare(groups, now)
        preflight.close()
        return _answer(plans, unmatched, params, preflight.unseen, done=False)
    owner = LockOwner(params["run_id"] or "-", "log_rotate", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        plans, unmatched, preflight = _prepare(groups, now)
        try:
            _carry_out(plans, preflight, params, now)
        finally:
            preflight.close()
    return _answer(plans, unmatched, params, preflight.unseen, done=True)


def _answer(
    plans: Sequence[LogPlan], unmatched: Sequence[str], params: Mapping[str, Any], unseen: int, *, done: bool
) -> dict[str, Any]:
    ours = [plan.path for plan in plans if not plan.missing]
    twice = check_managed_twice(ours, read_configuration()) if params["check_logrotate"] else []
    return build_answer(plans, unmatched, twice, return_all=bool(params["return_all"]), unseen=unseen, done=done)


def _prepare(groups: Sequence[Group], now: datetime) -> tuple[list[LogPlan], list[str], Preflight]:
    plans, unmatched = plan_logs(groups, now, os.geteuid())
    return plans, unmatched, look_at_writers(plans)


def _carry_out(plans: Sequence[LogPlan], preflight: Preflight, params: Mapping[str, Any], now: datetime) -> None:
    in_folders([plan for plan in plans if plan.drafts or plan.rotates], _move)
    _tell(preflight, params["timeout_seconds"])
    _wait(plans, params["wait_seconds"])
    _look_for_writers(plans)
    for plan in plans:
        if plan.failures:
            plan.removals = plan_removals(plan, now)  # no new archive takes a place among those that are kept
    # Before packing: a disk that is nearly full has room for the packed copies then.
    in_folders([plan for plan in plans if plan.removals], lambda plan, folder: remove_archives(plan, plan.removals, folder))
    pack_archives(plans)
    # Only now it is known how large the new archives are.
    grown = [plan for plan in plans if plan.rotated_bytes and plan.group.max_total_bytes]
    in_folders(grown, lambda plan, folder: remove_archives(plan, plan_removals(plan, now), folder))


def _move(plan: LogPlan, folder: Folder) -> None:
    """Clear up after a run that was interrupted, then move the log away."""
    for draft in plan.drafts:
        if draft.draft == COPYING:
            finish_interrupted_copy(plan, draft, folder)
        elif draft.draft == FRESH and plan.status is None:
            put_fresh(plan.name, draft.name, folder)
        else:
            unlink(draft.name, folder)
    continued = any(draft.draft == COPYING for draft in plan.drafts) and plan.rotated_bytes
    if plan.archive is None or plan.status is None or continued:
        return
    move = rename_away if plan.group.method == "rename" else copy_and_truncate
    move(plan, plan.archive, folder)


def _tell(preflight: Preflight, timeout_seconds: float) -> None:
    for addressee, plans in preflight.addressees:
        if any(plan.rotated_bytes or plan.held for plan in plans):
            try:
                tell(addressee, timeout_seconds)
            except Untold as exc:
                for plan in plans:
                    plan.notes.append(f"its writer was not told: {exc}")


def _wait(plans: Sequence[LogPlan], seconds: float) -> None:
    """Wait until nobody writes to an archive, and note who still does."""
    deadline, pause = time.monotonic() + seconds, _SHORTEST_PAUSE_SECONDS
    waiting = [plan for plan in plans if plan.raw and not plan.refused]
    with ignoring_broken_leases():
        in_folders(waiting, ask_about_archives, sync=False)
        while any(plan.held for plan in waiting) and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            in_folders([plan for plan in waiting if plan.held], ask_about_archives, sync=False)
    held = {identity for plan in waiting for identity in plan.held}
    unsure = {identity for plan in waiting for identity in plan.unsure}
    # Where the kernel does not say, what /proc shows has to do, unless it does not show every process.
    shown_by_proc = wait_until_left(unsure, max(0.0, deadline - time.monotonic())) if unsure else Writers({}, 0)
    names = find_writers(held) if held else Writers({}, 0)
    for plan in waiting:
        plan.late_writers = set()
        for _archive, identity in plan.raw:
            if identity in plan.unsure and identity in shown_by_proc.by_file:
                plan.held.add(identity)
            found = names.by_file.get(identity, []) + shown_by_proc.by_file.get(identity, [])
            plan.late_writers |= {writer.pid for writer in found}
        if not shown_by_proc.unseen:
            plan.unsure = set()


def _look_for_writers(plans: Sequence[LogPlan]) -> None:
    """Say which writers left their log and have ended instead of opening the new one: telling them may have done that."""
    left = [plan for plan in plans if plan.rotated_bytes and plan.writers and plan.group.method == "rename"]
    new: dict[str, Identity] = {}
    for plan in left:
        try:
            new[plan.path] = identity_of(os.stat(plan.path, follow_symlinks=False))
        except OSError:
            continue
    seen = find_writers(set(new.values())).by_file if new else {}
    for plan in left:
        gone = {pid for pid in plan.writers if not is_running(pid)}
        if gone == plan.writers and not plan.held and not seen.get(new.get(plan.path, (0, 0))):
            plan.notes.append(f"{shown(min(gone))}, which wrote it, has ended and nobody writes the new log")
