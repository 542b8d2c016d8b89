# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotating logs: look, decide, move away, tell the writers, wait until they have left, and only then pack and remove."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import is_running
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.answer import build_answer
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.finishing import pack_archives, remove_archives
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder, Refused, acting_as, open_folder
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
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.preflight import Preflight, look_at_writers
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Group, read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.telling import Untold, shown, tell
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import (
    Identity,
    find_writers,
    identity_of,
    wait_until_left,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


def rotate_logs(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Rotate the logs that are due, finish what an interrupted run left, and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when the options contradict themselves, or another run acts on this host now.
    """
    groups = read_groups(params)
    if check_mode:
        plans, unmatched, preflight = _prepare(groups, now)
        preflight.close()
        return _answer(plans, unmatched, params, preflight.unseen, now, done=False)
    owner = LockOwner(params["run_id"] or "-", "log_rotate", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        plans, unmatched, preflight = _prepare(groups, now)
        try:
            _carry_out(plans, preflight, params, now)
        finally:
            preflight.close()
    return _answer(plans, unmatched, params, preflight.unseen, now, done=True)


def _answer(
    plans: Sequence[LogPlan],
    unmatched: Sequence[tuple[Group, str]],
    params: Mapping[str, Any],
    unseen: int,
    now: datetime,
    *,
    done: bool,
) -> dict[str, Any]:
    ours = [plan.path for plan in plans if not plan.missing]
    twice = check_managed_twice(ours, read_configuration()) if params["check_logrotate"] else []
    return build_answer(
        plans, unmatched, twice, return_all=bool(params["return_all"]), unseen=unseen, done=done, now=now
    )


def _prepare(groups: Sequence[Group], now: datetime) -> tuple[list[LogPlan], list[tuple[Group, str]], Preflight]:
    plans, unmatched = plan_logs(groups, now, os.geteuid())
    return plans, unmatched, look_at_writers(plans)


def _carry_out(plans: Sequence[LogPlan], preflight: Preflight, params: Mapping[str, Any], now: datetime) -> None:
    in_folders([plan for plan in plans if plan.drafts or plan.rotates], _move)
    _tell(preflight, params["timeout_seconds"])
    held = _wait(plans, params["wait_seconds"], preflight.unseen)
    _look_for_writers(plans)
    for plan in plans:
        if plan.failures:
            plan.removals = plan_removals(plan, now)  # no new archive takes a place among those that are kept
    # Before packing: a disk that is nearly full has room for the packed copies then.
    in_folders([plan for plan in plans if plan.removals], lambda plan, folder: remove_archives(plan, plan.removals, folder))
    pack_archives(plans, held, in_folder=folder_of, unseen=preflight.unseen)
    # Only now it is known how large the new archives are.
    grown = [plan for plan in plans if plan.rotated_bytes and plan.group.max_total_bytes]
    in_folders(grown, lambda plan, folder: remove_archives(plan, plan_removals(plan, now), folder))


def in_folders(plans: Sequence[LogPlan], work: Callable[[LogPlan, Folder], None]) -> None:
    """Do something for each log in its open folder, with the rights of the owner of the folder.

    What the system refuses is noted in the plan of the log; the others go on.
    """
    by_folder: dict[str, list[LogPlan]] = {}
    for plan in plans:
        if not plan.refused:
            by_folder.setdefault(plan.folder, []).append(plan)
    for mine in by_folder.values():
        try:
            with folder_of(mine) as folder:
                for plan in mine:
                    try:
                        work(plan, folder)
                    except Refused as exc:
                        plan.refuse(str(exc))
                    except OSError as exc:
                        plan.failures.append(exc.strerror or str(exc))
                        plan.archive = None
                folder.sync()
        except (Refused, OSError) as exc:
            reason = str(exc) if isinstance(exc, Refused) else f"its folder cannot be worked in ({exc.strerror})"
            for plan in mine:
                plan.failures.append(reason)


class folder_of:  # noqa: N801 - used as a context manager
    """Enter the folder of some logs, if it is still the one that was looked at, with the rights of its owner."""

    def __init__(self, plans: Sequence[LogPlan]) -> None:
        self._first = plans[0]
        self._groups = {plan.status.st_gid for plan in plans if plan.status is not None}

    def __enter__(self) -> Folder:
        self._open = open_folder(self._first.folder)
        folder = self._open.__enter__()
        try:
            if identity_of(folder.status) != self._first.folder_identity or folder.owner != self._first.owner:
                raise Refused("its folder was exchanged for another one just now; run again")
            self._rights = acting_as(folder.owner, self._groups)
            self._rights.__enter__()
        except Refused:
            self._open.__exit__(None, None, None)
            raise
        return folder

    def __exit__(self, *problem: Any) -> None:
        try:
            self._rights.__exit__(*problem)
        finally:
            self._open.__exit__(*problem)


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
        if any(plan.rotated_bytes or plan.late_writers for plan in plans):
            try:
                tell(addressee, timeout_seconds)
            except Untold as exc:
                for plan in plans:
                    plan.notes.append(f"its writer was not told: {exc}")


def _wait(plans: Sequence[LogPlan], seconds: float, unseen: int) -> dict[Identity, set[int]]:
    """Wait until nobody writes to an archive; return who still does."""
    files = {identity for plan in plans if not plan.refused for _archive, identity in plan.raw}
    if not files:
        return {}
    held = wait_until_left(files, seconds).by_file
    for plan in plans:
        plan.late_writers = {writer.pid for _archive, identity in plan.raw for writer in held.get(identity, [])}
    return {identity: {writer.pid for writer in found} for identity, found in held.items()}


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
        if gone == plan.writers and not plan.late_writers and not seen.get(new.get(plan.path, (0, 0))):
            plan.notes.append(f"{shown(min(gone))}, which wrote it, has ended and nobody writes the new log")
