# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the restore of a backup: check everything, make the new trees beside the old ones, exchange them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import answers
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import (
    MEMBERS_WITHOUT_MANIFEST,
    ArchiveSource,
    opened_archive,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.carrying import carry
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import opened
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.placing import TREE
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preparing import Prepared, plan_changes, prepare
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.requests import refuse_wrong_options
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.swapping import (
    Staged,
    find_of_run,
    find_previous,
    finish_interrupted,
    prune_kept,
    return_to_previous,
    stage,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


def restore_backup(params: Mapping[str, Any], *, now: datetime, check_mode: bool, diff_mode: bool = False) -> dict[str, Any]:
    """Restore a backup, or put back what was there before; return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when it cannot be done; the targets are then as they were.
    """
    refuse_wrong_options(params)
    if check_mode:
        return _act(params, now, check_mode=True, diff_mode=diff_mode)
    owner = LockOwner(params["run_id"] or "-", "backup_restore", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, now, check_mode=False, diff_mode=diff_mode)


def _act(params: Mapping[str, Any], now: datetime, *, check_mode: bool, diff_mode: bool) -> dict[str, Any]:
    recovered = finish_interrupted(params["state_directory"], check_mode=check_mode)
    try:
        if params["state"] == "previous":
            answer = _go_back(params, check_mode=check_mode)
        else:
            answer = _restore(params, now, check_mode=check_mode, diff_mode=diff_mode)
    except UpkeepError as exc:
        exc.details.setdefault("recovered", recovered)
        exc.details.setdefault("changed", bool(recovered))
        raise
    answer["changed"] = answer["changed"] or bool(recovered)
    return {**answer, "recovered": recovered}


def _go_back(params: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    targets = [os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in params["target"] or ()]
    restore_id = params["id"] or ""
    if params["of_run"]:
        found = find_of_run(params["state_directory"], params["of_run"])
        if found is None:
            return answers.nothing_of_run(params["of_run"])
        restore_id = found.id
    journal = find_previous(params["state_directory"], targets, restore_id)
    changed = journal.phase != "returned" if check_mode else return_to_previous(params["state_directory"], journal)
    return answers.returned(journal, changed=changed, check_mode=check_mode)


def _restore(params: Mapping[str, Any], now: datetime, *, check_mode: bool, diff_mode: bool) -> dict[str, Any]:
    started = time.monotonic()
    limits = Limits(
        started + params["timeout_seconds"], params["max_ratio"], params["max_members"] or Limits.members, params["max_decoder_bytes"]
    )
    others = params["max_members"] or MEMBERS_WITHOUT_MANIFEST
    required = params["manifest"] == "required"
    inside = params["inside"] or ""
    with opened_archive(params["path"], limits, inside=inside, manifest_required=required, members_without=others) as source:
        prepared = prepare(source, params)
        changes = plan_changes(source, prepared) if check_mode or diff_mode else None
        if check_mode:
            return answers.planned(source, prepared, changes or [])
        try:
            staged, differing = _replace(source, prepared, params, now, quick=params["verify"] == "content")
        except ArchiveProblem:
            # Read once more without shortcuts: that one finds all there is, and says it best.
            staged, differing = _replace(source, prepared, params, now, quick=False)
    removed = prune_kept(params["state_directory"], prepared.targets, params["keep_previous"])
    seconds = round(time.monotonic() - started, 3)
    return answers.restored(
        source, prepared, staged, changes, seconds=seconds, removed=removed, differing=differing,
        keeps=bool(params["keep_previous"]),
    )


def _replace(
    source: ArchiveSource, prepared: Prepared, params: Mapping[str, Any], now: datetime, *, quick: bool
) -> tuple[Staged, list[str]]:
    """Make the new trees, and only when all are whole exchange them."""
    for target in prepared.targets:
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except OSError as exc:
            raise UpkeepError(f"cannot make {os.path.dirname(target)}: {exc.strerror}; nothing was changed") from exc
    staged = stage(params["state_directory"], prepared.targets, source.path, now=now, run_id=params["run_id"] or "")
    descriptors: list[int] = []
    try:
        for item in staged.items:
            with opened(item.staging) as staging:
                descriptors.append(os.dup(staging))
        extractor = source.extract(
            prepared.selection, prepared.rules, params["owners"], descriptors, [TREE.encode()] * len(descriptors),
            tolerant=params["verify"] == "none", quick=quick,
        )
        for number, descriptor in enumerate(descriptors):
            prepared.carried[number] = carry(prepared, number, descriptor)
        prepared.written = extractor.written
        staged.commit()
        return staged, extractor.differing_names
    except BaseException:
        staged.abandon()
        raise
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
