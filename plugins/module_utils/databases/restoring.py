# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restoring databases from a backup: everything that can refuse comes first, then all are staged, then all are exchanged."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, remove_leftovers
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import restore_journal as journals
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.archived_dumps import take_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import POSTGRESQL_GLOBALS, DumpSpec, read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restore_answer import Done, answer, nothing_of_run
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restore_journal import Entry, Journal
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts, Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorers import restorer_of
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, roomy_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_RANGES = {"timeout_seconds": (1, 86_400), "lock_wait_seconds": (0, 86_400), "keep_previous": (0, 100)}
#: What is put right after something went wrong has time of its own.
REPAIR_SECONDS = 600.0


@dataclass
class Plan:
    """One database that is to be restored."""

    spec: DumpSpec
    kept: Kept
    restorer: Restorer
    facts: Facts
    seconds: float = 0.0


def restore_databases(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what module ``database_restore`` is asked for and return what it returns.

    :param params: the options of the module.
    :raises UpkeepError: when it is called wrongly, or something could not be done; the message says what is there now.
    """
    refuse_out_of_range(params, _RANGES)
    specs = read_dumps(params["dumps"])
    if not specs and not params["id"] and not params["of_run"]:
        raise UpkeepError("dumps is empty; name the databases to restore")
    if params["state"] == "restored" and not (specs and params["path"]):
        raise UpkeepError("state restored needs path, the backup, and dumps, what to restore of it")
    if check_mode:
        return _act(params, specs, now, check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "database_restore", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, specs, now, check_mode=False)


def _act(params: Mapping[str, Any], specs: Sequence[DumpSpec], now: datetime, *, check_mode: bool) -> dict[str, Any]:
    state_directory = params["state_directory"]
    repaired = [] if check_mode else repair(specs, state_directory)
    if params["state"] == "restored":
        return _restore(params, specs, now, repaired, check_mode=check_mode)
    known = journals.read_journals(state_directory)
    phases = (journals.DONE,) if params["state"] == "previous" else (journals.DONE, journals.UNDONE)
    restore_id = params["id"]
    if params["of_run"]:
        ours = [journal.restore_id for journal in known if journal.run_id == params["of_run"] and journal.phase in phases]
        if not ours:
            return nothing_of_run(params["of_run"], repaired)
        restore_id = ours[-1]
    journal = journals.choose(known, restore_id, specs, phases)
    if not check_mode:
        deadline = time.monotonic() + params["timeout_seconds"]
        if params["state"] == "previous":
            put_back(journal, specs, state_directory, deadline)
        else:
            forget(journal, specs, state_directory, deadline)
    return answer([Done(entry.spec, _restorer(journal, entry, specs, state_directory, 0.0).kept_as) for entry in journal.entries],
                  journal.restore_id, params["state"], repaired)


def _restore(
    params: Mapping[str, Any], specs: Sequence[DumpSpec], now: datetime, repaired: list[str], *, check_mode: bool
) -> dict[str, Any]:
    deadline = time.monotonic() + params["timeout_seconds"]
    state_directory = params["state_directory"]
    restore_id = secrets.token_hex(4)
    # A database needs its roles to be there.
    ordered = sorted(specs, key=lambda spec: spec.type != POSTGRESQL_GLOBALS)
    with ExitStack() as stack:
        dumps = take_dumps(stack, params["path"], ordered, _place(state_directory, check_mode), deadline)
        plans = [
            _plan(spec, dumps[spec.name], restorer_of(spec, restore_id, deadline, state_directory, keep_owners=params["owners"]))
            for spec in ordered
        ]
        _refuse_without_room(plans)
        if not check_mode:
            entries = [Entry(plan.spec, plan.facts.exists) for plan in plans]
            # To the microsecond, for the journals are put into their order by it.
            journal = Journal(restore_id, now.isoformat(), params["path"], journals.STAGING, entries, params["run_id"] or "")
            carry_out(plans, journal, state_directory)
            _prune(restore_id, specs, state_directory, params["keep_previous"])
    done = [Done(plan.spec, plan.restorer.kept_as if plan.facts.exists else "", plan.facts, plan.seconds) for plan in plans]
    return answer(done, restore_id, "restored", repaired, kept=params["keep_previous"] > 0, check_mode=check_mode)


def _place(state_directory: str, check_mode: bool) -> str:
    """Return where dumps are kept aside; in check mode nothing is created."""
    directory = journals.journal_directory(state_directory)
    if not check_mode:
        make_private_directory(directory)
    return str(directory) if directory.is_dir() and os.access(directory, os.W_OK) else roomy_directory()


def _plan(spec: DumpSpec, kept: Kept, restorer: Restorer) -> Plan:
    facts = restorer.look(kept)
    restorer.existed = facts.exists
    return Plan(spec, kept, restorer, facts)


def _refuse_without_room(plans: Sequence[Plan]) -> None:
    """Refuse when the dumps together do not fit where they go; a database takes at least as much as its dump."""
    needed: dict[str, int] = {}
    free: dict[str, int] = {}
    for plan in plans:
        if plan.facts.free_bytes is not None:
            needed[plan.facts.free_in] = needed.get(plan.facts.free_in, 0) + plan.facts.need_bytes
            free[plan.facts.free_in] = plan.facts.free_bytes
    for place, count in needed.items():
        if count > free[place]:
            raise UpkeepError(
                f"{place} has {free[place] / 2**20:.0f} MiB free, and what is restored beside the present data takes at least "
                f"{count / 2**20:.0f} MiB; make room. Nothing was changed"
            )


def carry_out(plans: Sequence[Plan], journal: Journal, state_directory: str) -> None:
    """Stage all, then exchange all; when one fails, all are as before.

    :raises UpkeepError: saying what failed, and what is there now.
    """
    journals.write_journal(journal, state_directory)
    try:
        for plan in plans:
            begun = time.monotonic()
            plan.restorer.stage(plan.kept)
            plan.seconds += time.monotonic() - begun
        journal.phase = journals.SWAPPING
        journals.write_journal(journal, state_directory)
        for plan in plans:
            begun = time.monotonic()
            plan.restorer.swap()
            plan.seconds += time.monotonic() - begun
        journal.phase = journals.DONE
        journals.write_journal(journal, state_directory)
    except UpkeepError as exc:
        left = _back_out(journal, [plan.restorer for plan in plans], state_directory)
        said = exc.message.rstrip(".")
        if left:
            raise UpkeepError(f"{said}. Not everything could be put back: {left}. The next run tries again") from exc
        raise UpkeepError(f"{said}. The databases are as they were before") from exc


def _back_out(journal: Journal, restorers: Sequence[Restorer], state_directory: str) -> str:
    """Make all as it was before; return what could not be done."""
    try:
        for restorer in reversed(restorers):
            restorer.deadline = time.monotonic() + REPAIR_SECONDS
            if journal.phase != journals.STAGING and restorer.is_swapped():
                restorer.put_back()
                restorer.drop_undone()
            restorer.discard_stage()
        journals.remove_journal(journal.restore_id, state_directory)
    except UpkeepError as exc:
        return exc.message.rstrip(".")
    return ""


def repair(specs: Sequence[DumpSpec], state_directory: str) -> list[str]:
    """Complete or clean up what runs left that were killed; return what was done, in words.

    :raises UpkeepError: when that could not be done: nothing is built upon half a restore.
    """
    told = []
    directory = journals.journal_directory(state_directory)
    if directory.is_dir():
        # The lock is ours, so nobody writes here now.
        remove_leftovers(directory, now=time.time(), min_age_seconds=0.0)
    for journal in journals.read_journals(state_directory):
        if journal.phase not in (journals.STAGING, journals.SWAPPING, journals.UNDOING):
            continue
        deadline = time.monotonic() + REPAIR_SECONDS
        restorers = [_restorer(journal, entry, specs, state_directory, deadline) for entry in journal.entries]
        if journal.phase == journals.UNDOING:
            put_back(journal, specs, state_directory, deadline)
            told.append(f"The restore {journal.restore_id}, which a run was putting back when it ended, was put back.")
        elif journal.phase == journals.SWAPPING and all(restorer.is_swapped() for restorer in restorers):
            journal.phase = journals.DONE
            journals.write_journal(journal, state_directory)
            told.append(f"The restore {journal.restore_id}, whose run was ended, was complete.")
        else:
            left = _back_out(journal, restorers, state_directory)
            if left:
                raise UpkeepError(f"the restore {journal.restore_id}, whose run was ended, cannot be cleaned up: {left}")
            told.append(f"What the restore {journal.restore_id} left, whose run was ended, was removed; the data are those before it.")
    return told


def put_back(journal: Journal, specs: Sequence[DumpSpec], state_directory: str, deadline: float) -> None:
    """Put the previous data of a restore back.

    :raises UpkeepError: when that could not be done; the next run tries again.
    """
    restorers = [_restorer(journal, entry, specs, state_directory, deadline) for entry in journal.entries]
    for restorer in restorers if journal.phase == journals.DONE else ():
        if restorer.existed and not restorer.has_previous():
            raise UpkeepError(
                f"the previous data of the {restorer.spec.shown}, kept as {restorer.kept_as}, are not there any more; "
                f"nothing was put back. State dropped_previous with the id {journal.restore_id} forgets this restore"
            )
    journal.phase = journals.UNDOING
    journals.write_journal(journal, state_directory)
    for restorer in reversed(restorers):
        restorer.put_back()
    journal.phase = journals.UNDONE
    journals.write_journal(journal, state_directory)


def forget(journal: Journal, specs: Sequence[DumpSpec], state_directory: str, deadline: float) -> None:
    """Remove what a restore keeps.

    :raises UpkeepError: when that could not be done.
    """
    for entry in journal.entries:
        restorer = _restorer(journal, entry, specs, state_directory, deadline)
        restorer.drop_previous()
        restorer.drop_undone()
    journals.remove_journal(journal.restore_id, state_directory)


def _prune(latest: str, specs: Sequence[DumpSpec], state_directory: str, keep: int) -> None:
    """Remove previous data of the same databases beyond the newest ``keep``; the latest is the newest, whatever clocks say.

    What a restore put aside that was taken back goes first: nobody goes back to it.
    """
    ours = {(spec.type, spec.name) for spec in specs}
    known = journals.read_journals(state_directory)
    alike = [
        journal for journal in sorted(known, key=lambda one: (one.restore_id == latest, one.phase == journals.DONE))
        if journal.phase in (journals.DONE, journals.UNDONE)
        and {(entry.spec.type, entry.spec.name) for entry in journal.entries} <= ours
    ]
    for journal in alike[: len(alike) - keep]:
        forget(journal, specs, state_directory, time.monotonic() + REPAIR_SECONDS)


def _restorer(
    journal: Journal, entry: Entry, specs: Sequence[DumpSpec], state_directory: str, deadline: float
) -> Restorer:
    """Return the restorer of an entry, with the password that the present call gives."""
    given = next((spec for spec in specs if (spec.type, spec.name) == (entry.spec.type, entry.spec.name)), None)
    spec = replace(entry.spec, password=given.password, user=given.user, run_as=given.run_as) if given else entry.spec
    restorer = restorer_of(spec, journal.restore_id, deadline, state_directory)
    restorer.existed = entry.existed
    return restorer
