# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotating secrets: copies and a record first, then file by file, then the record says that all is done; and all of that backwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.putting_back import PutBack, put_back, refuse_forgotten
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.record import (
    Entry,
    Rotation,
    check_id,
    forget_copies,
    keep_copy,
    known_ids,
    read_rotation,
    tidy,
    with_others,
    without,
    write_rotation,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.requests import (
    Change,
    places_of,
    planned_changes,
    refuse_wrong,
    reverted,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.rotation_answer import Done, answer
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.settings_file import remove_leftovers, replace_settings
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


def rotate_secrets(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the options ask for and return what the module returns.

    :raises UpkeepError: when an option is wrong, a file or key is refused, or something could not be done.
    """
    refuse_out_of_range(params, {"lock_wait_seconds": (0, 86_400), "release_days": (0, 36_500)})
    state_directory = Path(params["state_directory"])
    if params["state"] == "query":
        ids = [check_id(params["rotation_id"])] if params["rotation_id"] else known_ids(state_directory)
        late = to_iso(now - timedelta(days=params["release_days"])) if params["release_days"] else ""
        return answer(state_directory, ids, Done("query"), late=late)
    rotation_id = check_id(params["rotation_id"] or "")
    if params["state"] == "present":
        refuse_wrong(params["secrets"])
    if check_mode:
        return _act(params, state_directory, rotation_id, to_iso(now), check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "secret_rotate", to_iso(now))
    with exclusive_lock(state_directory / CONTAINMENT_LOCK_FILE, owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, state_directory, rotation_id, to_iso(now), check_mode=False)


def _act(params: Mapping[str, Any], state_directory: Path, rotation_id: str, since: str, *, check_mode: bool) -> dict[str, Any]:
    done = Done(params["state"])
    repaired = _repair(state_directory, check_mode)
    done.repaired = repaired.back
    rotation = read_rotation(state_directory, rotation_id)
    entries = _meant(rotation, params)
    if params["state"] == "present":
        rotation = without(rotation, reverted(state_directory, rotation, params["secrets"]))
        changes = planned_changes(params["secrets"], rotation)
        done.rotated = [(change.path, key) for change in changes for key in change.written]
        if changes and not check_mode:
            _rotate(state_directory, dataclasses.replace(rotation, run_id=params["run_id"] or ""), changes, since)
    elif params["state"] == "previous":
        refuse_forgotten(state_directory, rotation, entries)
        done.put_back = PutBack(back=list(entries)) if check_mode else put_back(state_directory, rotation, entries)
        if done.put_back.problems:
            raise UpkeepError(f"NOT everything could be put back: {'; '.join(done.put_back.problems)}. Mend that and run it again.")
    elif params["state"] == "confirmed":
        done.confirmed = [entry for entry in entries if not entry.confirmed]
        if done.confirmed and not check_mode:
            write_rotation(state_directory, with_others(rotation, {entry: dataclasses.replace(entry, confirmed=True) for entry in done.confirmed}))
    else:
        done.forgotten = [entry for entry in entries if entry.kept]
        _refuse_half_a_copy(rotation, done.forgotten)
        if not check_mode:
            _forget(state_directory, rotation, done.forgotten)
    done.put_back.left += repaired.left
    return answer(state_directory, [rotation_id], done)


def _meant(rotation: Rotation, params: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that the options name; without names all of them."""
    places = {place for secret in params["secrets"] for place in places_of(secret)}
    return [
        entry for entry in rotation.entries
        if entry.done and (not places or (entry.path, entry.key) in places) and not (params["only_unconfirmed"] and entry.confirmed)
    ]


def _repair(state_directory: Path, check_mode: bool) -> PutBack:
    """Put back what runs that were killed have left unfinished; return what became of it.

    :raises UpkeepError: when that fails: nobody rotates on top of it.
    """
    found = PutBack()
    for rotation_id in known_ids(state_directory):
        rotation = read_rotation(state_directory, rotation_id)
        if rotation.unfinished:
            outcome = PutBack(back=list(rotation.unfinished)) if check_mode else put_back(state_directory, rotation, rotation.unfinished)
            found.back += outcome.back
            found.left += outcome.left
            if outcome.problems:
                raise UpkeepError(f"what a killed run has exchanged for {rotation_id} cannot be put back: {'; '.join(outcome.problems)}.")
    if not check_mode:
        tidy(state_directory)
    return found


def _rotate(state_directory: Path, rotation: Rotation, changes: Sequence[Change], since: str) -> None:
    """Write new values, all of them or none.

    :raises UpkeepError: when something cannot be written; what was written before is put back.
    """
    begun: list[Entry] = []
    for change in changes:
        remove_leftovers(change.path)
        kept = keep_copy(state_directory, rotation.rotation_id, change.before.content)
        begun += [Entry(change.path, key, written, kept, since) for key, written in change.written.items()]
    rotation = dataclasses.replace(rotation, entries=(*rotation.entries, *begun))
    write_rotation(state_directory, rotation)
    try:
        for change in changes:
            replace_settings(change.path, change.before, change.after)
        write_rotation(state_directory, with_others(rotation, {entry: dataclasses.replace(entry, done=True) for entry in begun}))
    except UpkeepError as exc:
        _undo(state_directory, rotation, begun, exc)


def _undo(state_directory: Path, rotation: Rotation, begun: Sequence[Entry], cause: UpkeepError) -> None:
    try:
        problems = put_back(state_directory, rotation, begun).problems
    except UpkeepError as exc:
        problems = [exc.message]
    if problems:  # first, since reports shorten what is long
        raise UpkeepError(f"NOT everything could be put back, the next run tries it: {'; '.join(problems)}; it began with: {cause.message}.") from cause
    raise UpkeepError(f"{cause.message}; all files have their old values.") from cause


def _refuse_half_a_copy(rotation: Rotation, entries: Sequence[Entry]) -> None:
    """Refuse to forget a key of a copy that another key needs: the old value would still be in it.

    :raises UpkeepError: then.
    """
    others = {entry.kept: entry.key for entry in rotation.entries if entry.kept and entry not in entries}
    for entry in entries:
        if entry.kept in others:
            raise UpkeepError(
                f"{entry.path}: the copy with the old value of {entry.key} has that of {others[entry.kept]} as well; release both. Nothing was changed."
            )


def _forget(state_directory: Path, rotation: Rotation, entries: Sequence[Entry]) -> None:
    """Remove the copies, and then note it: what is noted as kept and is gone counts as forgotten."""
    if entries:
        forgotten = {entry: dataclasses.replace(entry, kept="") for entry in entries}
        later = with_others(rotation, forgotten)
        forget_copies(state_directory, rotation.rotation_id, {entry.kept for entry in later.entries})
        write_rotation(state_directory, later)
