# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a snapshot beside the live trees, every file read back, and exchange them when all are whole."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, open_client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import read_header
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.selected import Selected, select
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.listing import find_wanted
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import answers
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.carrying import carry
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import opened, remove_tree
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.journal import Item
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
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain_value
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

#: Where restic writes, beside the place at which the tree is to be.
_UNPACKED = "snapshot"


def restore_backup(options: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Restore a snapshot, or put back what was there before; return what the module returns.

    :param options: the options of the module ``restic_restore``.
    :raises UpkeepError: when it cannot be done; the targets are then as they were.
    """
    refuse_out_of_range(options, {"keep_previous": (0, 100)})
    refuse_wrong_options({**options, "path": "/", "timeout_seconds": None})
    client = open_client(options, only_looking=check_mode)
    if check_mode:
        return _act(client, options, now, check_mode=True)
    owner = LockOwner(options["run_id"] or "-", "restic_restore", to_iso(now))
    with exclusive_lock(Path(options["state_directory"]) / "lock", owner, wait_seconds=options["lock_wait_seconds"]):
        return _act(client, options, now, check_mode=False)


def _act(client: Client, options: Mapping[str, Any], now: datetime, *, check_mode: bool) -> dict[str, Any]:
    recovered = finish_interrupted(options["state_directory"], check_mode=check_mode)
    try:
        if options["state"] == "previous":
            answer = _go_back(options, check_mode=check_mode)
        else:
            answer = _restore(client, options, now, check_mode=check_mode)
    except UpkeepError as exc:
        exc.details.setdefault("recovered", recovered)
        exc.details.setdefault("changed", bool(recovered))
        raise
    return {**answer, "changed": answer["changed"] or bool(recovered), "recovered": recovered}


def _go_back(options: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    targets = [os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in options["target"] or ()]
    restore_id = options["id"] or ""
    if options["of_run"]:
        found = find_of_run(options["state_directory"], options["of_run"])
        if found is None:
            return {**answers.nothing_of_run(options["of_run"]), "snapshot": None}
        restore_id = found.id
    journal = find_previous(options["state_directory"], targets, restore_id)
    changed = journal.phase != "returned" if check_mode else return_to_previous(options["state_directory"], journal)
    return {**answers.returned(journal, changed=changed, check_mode=check_mode), "snapshot": None}


def _restore(client: Client, options: Mapping[str, Any], now: datetime, *, check_mode: bool) -> dict[str, Any]:
    started = time.monotonic()
    snapshot = find_wanted(client, options)
    header = read_header(client, snapshot)
    selected = select(client, snapshot, header, options)
    if check_mode:
        return _planned(client, snapshot, header, selected)
    staged = _replace(client, options, snapshot, selected, now)
    removed = prune_kept(options["state_directory"], selected.prepared.targets, options["keep_previous"])
    return _restored(
        client, snapshot, header, selected, staged, seconds=round(time.monotonic() - started, 3), removed=removed,
        keeps=bool(options["keep_previous"]),
    )


def _replace(
    client: Client, options: Mapping[str, Any], snapshot: Snapshot, selected: Selected, now: datetime
) -> Staged:
    """Make the new trees, and only when all are whole exchange them."""
    prepared = selected.prepared
    for target in prepared.targets:
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except OSError as exc:
            raise UpkeepError(f"cannot make {os.path.dirname(target)}: {exc.strerror}; nothing was changed") from exc
    what = f"{client.subject}#{snapshot.short}"
    staged = stage(options["state_directory"], prepared.targets, what, now=now, run_id=options["run_id"] or "")
    try:
        for number, item in enumerate(staged.items):
            _unpack(client, snapshot, selected, number, item)
            for path in prepared.kept[number] if options["preserve"] is not None else ():
                _remove_below(item.kept, os.fsdecode(path))
            with opened(item.staging) as staging:
                prepared.carried[number] = carry(prepared, number, staging)
        staged.commit()
    except BaseException:
        staged.abandon()
        raise
    return staged


def _unpack(client: Client, snapshot: Snapshot, selected: Selected, number: int, item: Item) -> None:
    """Let restic write one target, and put it where the exchange expects it."""
    directory = os.path.join(item.staging, _UNPACKED)
    client.call(arguments.restore(snapshot.id, directory=directory, include=selected.includes[number]))
    try:
        os.rename(os.path.join(directory, selected.paths[number].lstrip("/")), item.kept)
        with opened(item.staging) as staging:
            remove_tree(_UNPACKED, staging)
    except OSError as exc:
        raise UpkeepError(f"{item.target} was not restored whole: {exc.strerror}; nothing was changed") from exc


def _remove_below(tree: str, path: str) -> None:
    """Remove what the snapshot has at a path whose present state stays."""
    try:
        with opened(os.path.join(tree, os.path.dirname(path)).rstrip("/")) as parent:
            remove_tree(os.path.basename(path), parent)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as exc:
        raise UpkeepError(f"preserve: {path} cannot be kept: {exc.strerror}; nothing was changed") from exc


def _planned(
    client: Client, snapshot: Snapshot, header: Mapping[str, Any] | None, selected: Selected
) -> dict[str, Any]:
    rows = [_row(target, None, selected, number, 0.0) for number, target in enumerate(selected.prepared.targets)]
    checks = [
        check_result(
            answers.CHECK, row["target"], OK,
            f"{row['target']} would be restored from snapshot {snapshot.short} of {client.subject}: {row['members']} files and"
            f" folders, {bytes_text(row['bytes'])}.",
            value=row["bytes"], unit="bytes",
        )
        for row in rows
    ]
    return _answer(rows, checks, snapshot, header, restore_id=None, seconds=0.0, removed=[])


def _restored(
    client: Client, snapshot: Snapshot, header: Mapping[str, Any] | None, selected: Selected, staged: Staged, *,
    seconds: float, removed: list[str], keeps: bool,
) -> dict[str, Any]:
    rows, checks = [], []
    for number, item in enumerate(staged.items):
        previous = item.kept if item.old is not None and keeps else None
        row = _row(item.target, previous, selected, number, seconds)
        before = f"the one before is {previous}" if previous else "there was none before" if item.old is None else "none is kept"
        text = (
            f"{item.target} was restored from snapshot {snapshot.short} of {client.subject} ({row['members']} files and folders,"
            f" {bytes_text(row['bytes'])}); {before}."
        )
        rows.append(row)
        checks.append(check_result(answers.CHECK, item.target, OK, text, value=row["bytes"], unit="bytes"))
    return _answer(rows, checks, snapshot, header, restore_id=staged.id, seconds=seconds, removed=removed)


def _row(target: str, previous: str | None, selected: Selected, number: int, seconds: float) -> dict[str, Any]:
    amount = selected.prepared.amounts[number]
    return {
        "target": target, "previous": previous, "members": amount.members, "bytes": amount.bytes, "seconds": seconds,
        "carried_over": selected.prepared.carried[number],
    }


def _answer(
    rows: list[dict[str, Any]], checks: list[dict[str, Any]], snapshot: Snapshot, header: Mapping[str, Any] | None, *,
    restore_id: str | None, seconds: float, removed: list[str],
) -> dict[str, Any]:
    lines = "".join(f"{row['target']}: {row['members']} files and folders of snapshot {snapshot.short}\n" for row in rows)
    return {
        "changed": True, "restored": rows, "id": restore_id, "snapshot": snapshot.id, "seconds": seconds, "removed": removed,
        "checks": checks, "status": worst_of(checks), "manifest": plain_value(dict(header)) if header else None,
        "diff": [{"prepared": lines}],
    }
