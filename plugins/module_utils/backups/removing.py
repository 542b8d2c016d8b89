# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prune a folder of backups: look, decide, remove the oldest first, each with its manifest."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile, Found, find_in_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import sidecar_path
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
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

MAX_ROWS = 1000
_RANGES = {"lock_wait_seconds": (0, 86_400)}


def prune_backups(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Remove the backups that the policy does not keep and return what the module returns.

    :param params: the options of the module ``backup_prune``.
    :raises UpkeepError: when an option is not accepted, another run acts on this host, or a backup cannot be removed.
    """
    refuse_out_of_range(params, _RANGES)
    read_policy(params)
    directory, patterns = params["directory"], params["pattern"]
    if not os.path.isabs(directory):
        raise UpkeepError(f"directory: {plain(directory, 200)} is not absolute.")
    for path in params["protect"]:
        if not os.path.isabs(path):
            raise UpkeepError(f"protect: {plain(path, 200)} is not absolute.")
    if not patterns or any("/" in pattern or not pattern.strip("*?") for pattern in patterns):
        raise UpkeepError("pattern: give names of backups in the folder, such as shop-app_*.tar.zst; a pattern of all names is none.")
    if check_mode:
        found, plan, leftovers = _plan(params, now)
        return _answer(params, found, plan, plan.removed[::-1], leftovers)
    owner = LockOwner(params["run_id"] or "-", "backup_prune", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        found, plan, leftovers = _plan(params, now)
        removed: list[Decision] = []
        gone: list[str] = []
        try:
            _remove(directory, plan.removed, leftovers, removed, gone)
        except UpkeepError as error:
            raise UpkeepError(error.message, **_answer(params, found, plan, removed, gone)) from error
    return _answer(params, found, plan, removed, gone)


def _plan(params: Mapping[str, Any], now: datetime) -> tuple[Found, Plan, list[str]]:
    """Return what is there, what becomes of it, and manifests whose archive is gone."""
    found = find_in_directory(params["directory"], params["pattern"])
    records = read_records(Path(params["state_directory"]))
    states = {file.path: state_of(file, records) for file in found.files}
    plan = plan_pruning(found.files, read_policy(params), states, now=now, protect=_protected(found, params["protect"]))
    return found, plan, _lonely_manifests(params["directory"], params["pattern"])


def _protected(found: Found, protect: Sequence[str]) -> set[str]:
    """Return the paths that were found of the files that are protected, however the option spells them; a link protects its target."""
    identities = {_identity(path) for path in protect} - {None}
    return {file.path for file in found.files if _identity(file.path) in identities} if identities else set()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None  # in check mode the backup that would be made is not there
    return status.st_dev, status.st_ino


def _lonely_manifests(directory: str, patterns: Sequence[str]) -> list[str]:
    """Return the names of manifests whose archive is gone: a run was killed between the two."""
    try:
        names = set(os.listdir(directory))
    except OSError:
        return []
    suffix = sidecar_path("")
    return sorted(
        name
        for name in names
        if name.endswith(suffix)
        and name[: -len(suffix)] not in names
        and any(fnmatchcase(name[: -len(suffix)], pattern) for pattern in patterns)
    )


def _remove(
    directory: str, decisions: Sequence[Decision], leftovers: Sequence[str], removed: list[Decision], gone: list[str]
) -> None:
    """Remove the oldest first; ``removed`` and ``gone`` say what is done so far, also after an error.

    :raises UpkeepError: when one cannot be removed, or is not the file any more that was looked at.
    """
    if not decisions and not leftovers:
        return
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise UpkeepError(f"{plain(directory, 300)} cannot be opened: {error.strerror}; nothing was removed.") from error
    try:
        for decision in reversed(decisions):
            name = os.path.basename(decision.file.path)
            _unlink(folder, name, decision.file)
            removed.append(decision)
            _unlink(folder, sidecar_path(name), None)
        for name in leftovers:
            _unlink(folder, name, None)
            gone.append(name)
        os.fsync(folder)
    finally:
        os.close(folder)


def _unlink(folder: int, name: str, file: BackupFile | None) -> None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            if file is None:
                return  # something else that is called like a manifest
            raise UpkeepError(f"{plain(file.path, 300)} is no file any more; look at who changed it.")
        if file and (status.st_size, status.st_mtime_ns) != (file.bytes, file.mtime_ns):
            raise UpkeepError(f"{plain(file.path, 300)} was written to meanwhile; look at who did, then prune again.")
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return  # somebody else removed it
    except OSError as error:
        raise UpkeepError(f"{plain(name, 300)} cannot be removed: {error.strerror}.") from error


def _answer(
    params: Mapping[str, Any], found: Found, plan: Plan, removed: Sequence[Decision], leftovers: Sequence[str]
) -> dict[str, Any]:
    checks = [_check(params, found, plan, removed)]
    limit = None if params["return_all"] else MAX_ROWS
    kept = [{**_row(decision), "reasons": decision.reasons} for decision in plan.kept]
    return {
        "changed": bool(removed or leftovers),
        "status": worst_of(checks),
        "checks": checks,
        "kept": kept[:limit],
        "removed": [_row(decision) for decision in removed][:limit],
        "removed_manifests": [plain(name) for name in leftovers][:limit],
        "bytes_freed": sum(decision.file.bytes for decision in removed),
        "totals": {
            "backups": len(plan.decisions),
            "kept": len(plan.decisions) - len(removed),
            "removed": len(removed),
            "verified": sum(decision.state == GOOD for decision in plan.decisions),
        },
        "diff": _diff(plan, removed, leftovers),
    }


def _row(decision: Decision) -> dict[str, Any]:
    file = decision.file
    return {"path": plain(file.path, 4096), "created": to_iso(file.created), "bytes": file.bytes, "state": decision.state}


def _check(params: Mapping[str, Any], found: Found, plan: Plan, removed: Sequence[Decision]) -> dict[str, Any]:
    directory = params["directory"]
    subject = params["name"] or os.path.join(directory, params["pattern"][0])
    freed = figure_text(sum(decision.file.bytes for decision in removed), "bytes")
    kept = len(plan.decisions) - len(removed)
    text, status, hint = f"{kept} of {len(plan.decisions)} backups in {directory} are kept, {len(removed)} removed ({freed}).", OK, ""
    if found.problem or found.absent:
        status, text, hint = UNKNOWN, f"{found.problem or found.absent}; nothing was removed.", found.hint
    elif plan.decisions and plan.newest_good is None:
        status = UNKNOWN
        text = f"None of the {len(plan.decisions)} backups in {directory} is known to be good; nothing was removed."
        hint = "Verify the newest with backup_verify and remember: true, then prune again."
    elif plan.future:
        status = WARNING
        text += f" {plan.future} of them are dated in the future; they neither go nor take a place."
        hint = "Correct the clock, or rename them to when they were made."
    return check_result("backup.prune", subject, status, text, value=kept, unit="count", hint=hint)


def _diff(plan: Plan, removed: Sequence[Decision], leftovers: Sequence[str]) -> dict[str, str]:
    """Return the names before and after; the reasons stand in ``kept``."""
    gone = {decision.file.path for decision in removed}
    before = [os.path.basename(decision.file.path) for decision in plan.decisions]
    after = [os.path.basename(decision.file.path) for decision in plan.decisions if decision.file.path not in gone]
    return {"before": _lines([*before, *leftovers]), "after": _lines(after)}


def _lines(names: Sequence[str]) -> str:
    more = [f"... and {len(names) - MAX_ROWS} more"] if len(names) > MAX_ROWS else []
    return "".join(f"{plain(name)}\n" for name in [*names[:MAX_ROWS], *more])
