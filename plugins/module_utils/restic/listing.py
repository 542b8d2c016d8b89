# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The snapshots of a host that count, found in the repository, as backups like any other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_time import FROM_SNAPSHOT
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import check_label
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.finding import BackupFile, Found, is_future, set_aside_future
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.attempts import Attempts
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.failures import NO_REPOSITORY, ResticFailure
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot, choose, finished, parse_snapshots
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, utc_now

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def find_snapshots(
    client: Client, options: Mapping[str, Any], measured: int, now: datetime | None = None
) -> tuple[Found, list[Snapshot], int]:
    """Return the snapshots that count, as backups and as they are, newest first, and how many do not count.

    :param measured: the sizes of so many are found out.
    :param now: set aside what is dated in the future: it is no backup then, and comes last in the snapshots.
    :raises UpkeepError: when the record of unfinished backups is damaged.
    """
    unfinished = Attempts(options["state_directory"], client.subject).unfinished()
    host = options["host"] or os.uname().nodename
    tags = options["tags"] if options["tags"] is not None else [arguments.TAG, f"label={check_label(options['label'])}"]
    try:
        listed = parse_snapshots(client.answer(arguments.snapshots(host=host, tags=tags)))
        counting = finished(listed, unfinished)
        if now is not None:
            counting.sort(key=lambda snapshot: is_future(snapshot.created, now))
        files = [backup_file(client, snapshot, measure=number < measured) for number, snapshot in enumerate(counting)]
    except ResticFailure as problem:
        sentence = problem.sentence.rstrip(".")
        if problem.kind == NO_REPOSITORY:
            return Found(absent=sentence, hint=problem.hint), [], 0
        return Found(problem=sentence, hint=problem.hint), [], 0
    absent = "" if files else f"{client.subject} has no snapshot of {' and '.join(tags) or 'any kind'} of {plain(host, 100)}"
    found = Found(files=files, absent=absent, entries=len(listed))
    if now is not None:
        set_aside_future(found, now)
    return found, counting, len(listed) - len(counting)


def backup_file(client: Client, snapshot: Snapshot, *, measure: bool) -> BackupFile:
    """Return a snapshot as a backup, by the name under which it is remembered.

    :param measure: ask for its size when the list does not say it.
    """
    size = snapshot.bytes
    if size is None and measure:
        size = int(client.answer(arguments.stats(snapshot.id)).get("total_size", 0))
    elapsed = snapshot.created - _EPOCH
    nanoseconds = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000_000
    return BackupFile(f"{client.subject}#{snapshot.short}", size or 0, nanoseconds, snapshot.created, FROM_SNAPSHOT)


def find_wanted(client: Client, options: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot that the options name.

    :raises UpkeepError: when there is none, or the repository cannot be opened.
    """
    found, snapshots, _unfinished = find_snapshots(client, options, 0, utc_now())
    if found.problem or found.absent:
        raise UpkeepError(f"{found.problem or found.absent}. {found.hint}".strip())
    before = options.get("before")
    if before:
        limit = _moment(before)
        snapshots = [snapshot for snapshot in snapshots if snapshot.created < limit]
    return choose(snapshots, options["snapshot"])


def _moment(text: str) -> datetime:
    try:
        return from_iso(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError:
        raise UpkeepError(f"before: {plain(text, 60)!r} is no time; write it in UTC, as 2026-11-22T01:43:00Z") from None
