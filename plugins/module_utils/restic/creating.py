# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a backup with restic: look, dump, one snapshot of all, which counts only when it is whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.metadata import MetadataSurvey
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.attempts import Attempts
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, open_client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.created import made_answer, planned_answer
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.failures import NO_REPOSITORY, ResticFailure
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.making import Made, make_snapshot, unread_words
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.plan import Looked, Plan, look, read_plan
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot, parse_snapshots
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.staging import Staging, staging_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now


def create_backup(options: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Make a backup, or say what would be in it, and return what the module returns.

    :param options: the options of the module ``restic_backup``.
    :raises UpkeepError: when no whole backup could be made; its snapshot, if there is one, does not count.
    """
    deadline = time.monotonic() + options["timeout_seconds"]
    client = open_client(options, only_looking=check_mode)
    plan = read_plan(options, now)
    attempts = Attempts(options["state_directory"], client.subject)
    if check_mode:
        present = _repository_id(client, attempts, options["init"])
        return planned_answer(plan, client.subject, _look(plan, client), new_repository=not present)
    owner = LockOwner(options["run_id"] or "-", "restic_backup", to_iso(now))
    with exclusive_lock(Path(options["state_directory"]) / "lock", owner, wait_seconds=options["lock_wait_seconds"]):
        repository_id = _repository_id(client, attempts, options["init"])
        if not repository_id:
            client.call(arguments.init())
            repository_id = _repository_id(client, attempts, False)
        looked = _look(plan, client)
        leftovers = attempts.unfinished()
        backup_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        with staging_folder(plan.staging_parent) as staging:
            header = _stage(plan, looked, staging, options, backup_id, now, deadline)
            attempts.begin(backup_id, repository_id)
            made = _make(client, plan, looked, staging, backup_id)
        snapshot = _sealed(client, attempts, plan, made, backup_id)
        warnings = _forget_leftovers(client, attempts, plan, leftovers)
    return made_answer(plan, client.subject, looked, made, header, snapshot, warnings)


def _repository_id(client: Client, attempts: Attempts, init: bool) -> str:
    """Return the id of the repository, or an empty text when a new one is to be made.

    :raises ResticFailure: when there is none and none is to be made; a repository that was there before is not made anew, since
        then its file system is not mounted, or somebody removed it.
    """
    try:
        return str(client.answer(arguments.config()).get("id", ""))
    except ResticFailure as problem:
        if problem.kind != NO_REPOSITORY or not init:
            raise
        known = attempts.known_repository()
        if known:
            raise ResticFailure(
                NO_REPOSITORY, f"{client.subject}: there is no repository, and the last backup of this host went into one"
                f" here ({known[:10]}). An empty one would hide that its backups are gone.",
                "Look whether its file system is mounted. To begin anew all the same, remove restic.json from the state directory.",
            ) from problem
        return ""


def _look(plan: Plan, client: Client) -> Looked:
    return look(plan, client.repository.local_path, client.cache_path)


def _stage(
    plan: Plan, looked: Looked, staging: Staging, options: Mapping[str, Any], backup_id: str, now: datetime, deadline: float
) -> dict[str, Any]:
    """Dump the databases and write the manifest; return its header."""
    with closing(MetadataSurvey(options["git"] or [], options["services"] or [])) as survey:
        dumps = staging.dump_all(plan.dumps, deadline)
        header: dict[str, Any] = {
            "backup_id": backup_id, "engine": "restic", "label": plan.label, "platform": plan.platform, "host": plan.host,
            "started": to_iso(now), "ended": to_iso(utc_now()), "metadata": survey.answer(), "sources": plan.sources,
        }
    for key, rows in (("excluded", looked.left_out.excluded), ("skipped", looked.left_out.skipped)):
        header[key] = rows.rows
        if rows.more:
            header[f"{key}_more"] = rows.more
    header["dumps"] = dumps
    staging.write_manifest(header)
    return header


def _make(client: Client, plan: Plan, looked: Looked, staging: Staging, backup_id: str) -> Made:
    given = arguments.backup(
        host=plan.host, tags=arguments.tags_of(plan.label, backup_id), paths_file=staging.write_paths(plan.paths),
        excludes=looked.excludes, one_file_system=plan.one_file_system,
    )
    return make_snapshot(client, given, directory=staging.path, roots=plan.paths)


def _sealed(client: Client, attempts: Attempts, plan: Plan, made: Made, backup_id: str) -> Snapshot:
    """Let the snapshot count, when it is whole.

    :raises UpkeepError: when it is not; it is forgotten then.
    """
    found = _snapshots_of(client, plan, backup_id)
    if made.incomplete:
        text = f"{client.subject}: restic could not read {max(len(made.unread), 1)} files: {unread_words(made)}."
        try:
            client.call(arguments.forget(snapshot.id for snapshot in found))
            attempts.end({backup_id})
        except ResticFailure as problem:
            text += f" Its snapshot could not be forgotten and does not count ({problem.sentence})"
        raise UpkeepError(f"{text} No backup was made; earlier ones are untouched. Make them readable, or leave them out with exclude.")
    if not found:
        raise UpkeepError(f"{client.subject}: restic ended well, but the repository does not list the snapshot {made.snapshot_id}")
    attempts.end({backup_id})
    return found[0]


def _snapshots_of(client: Client, plan: Plan, backup_id: str) -> list[Snapshot]:
    tags = arguments.tags_of(plan.label, backup_id).split(",")
    return parse_snapshots(client.answer(arguments.snapshots(host=plan.host, tags=tags)))


def _forget_leftovers(client: Client, attempts: Attempts, plan: Plan, leftovers: list[str]) -> list[str]:
    """Forget the snapshots of backups that were begun before and not seen to their end; return what a person must know."""
    if not leftovers:
        return []
    try:
        listed = parse_snapshots(client.answer(arguments.snapshots(host=plan.host, tags=[arguments.TAG])))
        stale = [snapshot.id for snapshot in listed if snapshot.backup_id in leftovers]
        if stale:
            client.call(arguments.forget(stale))
        attempts.end(set(leftovers))
    except UpkeepError as problem:
        return [f"Snapshots of killed runs could not be forgotten; they do not count. {problem.message}"]
    return []
