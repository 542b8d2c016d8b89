# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of restores: what a run that is killed leaves is put right by the next one, and what can be put back is known."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    sync_directory,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import TYPES, DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: Copies are made beside the present data; those take the place of the present ones; that is done; the previous ones are put
#: back; that is done.
STAGING, SWAPPING, DONE, UNDOING, UNDONE = "staging", "swapping", "done", "undoing", "undone"
PHASES = (STAGING, SWAPPING, DONE, UNDOING, UNDONE)

_SCHEMA = 1
_NAME = re.compile(r"([0-9a-f]{8})\.json")
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Entry:
    """One database of a restore.

    :ivar spec: without its password.
    :ivar existed: there were data before.
    """

    spec: DumpSpec
    existed: bool


@dataclass
class Journal:
    """What is known of one restore.

    :ivar restore_id: eight hexadecimal digits.
    :ivar started: ISO 8601 UTC, to the microsecond.
    :ivar path: the backup.
    :ivar phase: one of PHASES.
    :ivar run_id: of the run that restored, which may not have lived to see the id of the restore.
    """

    restore_id: str
    started: str
    path: str
    phase: str
    entries: list[Entry]
    run_id: str = ""


def journal_directory(state_directory: str) -> Path:
    """Return the folder of the journals and of what restores keep."""
    return Path(state_directory) / "database-restores"


def write_journal(journal: Journal, state_directory: str) -> None:
    """Write a journal, so that a power cut finds it.

    :raises UpkeepError: when it cannot be written.
    """
    directory = journal_directory(state_directory)
    make_private_directory(directory)
    entries = [{"spec": _plain_spec(entry.spec), "existed": entry.existed} for entry in journal.entries]
    record = {
        "schema": _SCHEMA, "id": journal.restore_id, "started": journal.started, "path": journal.path, "phase": journal.phase,
        "run_id": journal.run_id, "dumps": entries,
    }
    write_atomically(directory / f"{journal.restore_id}.json", json.dumps(record, indent=1).encode("ascii"))


def _plain_spec(spec: DumpSpec) -> dict[str, Any]:
    return {key: value for key, value in asdict(spec).items() if key != "password" and value}


def remove_journal(restore_id: str, state_directory: str) -> None:
    """Remove a journal that nobody needs any more."""
    directory = journal_directory(state_directory)
    try:
        os.unlink(directory / f"{restore_id}.json")
        sync_directory(directory)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise UpkeepError(f"cannot remove the journal of the restore {restore_id}: {exc.strerror}") from exc


def read_journals(state_directory: str) -> list[Journal]:
    """Return all journals, the oldest first.

    :raises UpkeepError: when one cannot be read: without it nobody knows what a killed run left.
    """
    directory = journal_directory(state_directory)
    try:
        names = sorted(name for name in os.listdir(directory) if _NAME.fullmatch(name))
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise UpkeepError(f"cannot read {directory}: {exc.strerror}") from exc
    return sorted((_read(directory / name) for name in names), key=lambda journal: (journal.started, journal.restore_id))


def _read(path: Path) -> Journal:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_MAX_BYTES))
        known = {field.name for field in fields(DumpSpec)}
        entries = [
            Entry(DumpSpec(**{key: value for key, value in item["spec"].items() if key in known}), bool(item["existed"]))
            for item in record["dumps"]
        ]
        journal = Journal(str(record["id"]), str(record["started"]), str(record["path"]), record["phase"], entries)
        journal.run_id = str(record.get("run_id") or "")
        if record["schema"] != _SCHEMA or journal.phase not in PHASES or not _NAME.fullmatch(path.name):
            raise ValueError("of another version")
        if f"{journal.restore_id}.json" != path.name or any(entry.spec.type not in TYPES for entry in entries):
            raise ValueError("of another restore")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise UpkeepError(
            f"the journal {path} cannot be read ({type(exc).__name__}); see which databases have names with "
            f"_upkeep_ or _previous_ and {path.stem}, then remove the file"
        ) from None
    return journal


def choose(journals: Sequence[Journal], restore_id: str | None, specs: Sequence[DumpSpec], phases: Sequence[str]) -> Journal:
    """Return the restore that is meant: the one with the id, else the newest that holds any of the databases.

    :raises UpkeepError: when there is none.
    """
    fitting = [journal for journal in journals if journal.phase in phases]
    if restore_id:
        found = [journal for journal in fitting if journal.restore_id == restore_id]
    else:
        names = {(spec.type, spec.name) for spec in specs}
        found = [journal for journal in fitting if names & {(entry.spec.type, entry.spec.name) for entry in journal.entries}]
    if not found:
        known = ", ".join(journal.restore_id for journal in fitting[-10:]) or "none"
        raise UpkeepError(f"no previous data are kept {f'of the restore {restore_id}' if restore_id else 'of these databases'}; kept: {known}")
    return found[-1]
