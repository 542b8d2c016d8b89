# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a restore is about to do and has done, on disk, so that a killed one is completed or cleared away by the next."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    sync_directory,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import Identity
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

SCHEMA = 1
DIRECTORY = "restores"
#: Prefix of the private directory beside a target; it begins with a dot, so that no wildcard of a service finds it.
STAGING_PREFIX = ".upkeep-restore-"

#: The trees are being made; the targets are untouched.
STAGING = "staging"
#: The trees are whole, and targets are being exchanged.
SWAPPING = "swapping"
#: The targets are the new trees.
DONE = "done"
#: The targets are being exchanged back.
RETURNING = "returning"
#: The targets are the trees from before.
RETURNED = "returned"
PHASES = (STAGING, SWAPPING, DONE, RETURNING, RETURNED)

_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
#: A thousand targets of the longest paths have room.
_MAX_BYTES = 32 * 1024 * 1024


@dataclass
class Item:
    """One target.

    :ivar target: absolute path without links.
    :ivar staging: the private directory beside it, by its absolute path.
    :ivar staging_identity: by which that directory is known.
    :ivar new: identity of the restored tree, once it is whole.
    :ivar old: identity of what was at the target before, None when there was nothing.
    :ivar removing: the tree that is kept is being removed, and may not be whole any more.
    """

    target: str
    staging: str
    staging_identity: Optional[Identity] = None
    new: Optional[Identity] = None
    old: Optional[Identity] = None
    removing: bool = False

    @property
    def kept(self) -> str:
        """Where the other tree is: the one from before, or, after going back, the restored one."""
        return os.path.join(self.staging, "tree")


@dataclass
class Journal:
    """One restore.

    :ivar id: ``YYYYMMDDTHHMMSSZ-xxxxxxxx``.
    :ivar number: restores of a host are counted; clocks jump.
    :ivar what: what was restored, for people: the path of the archive, a snapshot.
    :ivar run_id: of the run that restored, which may not have lived to see the id of the restore.
    """

    id: str
    what: str
    started: str
    number: int
    phase: str = STAGING
    run_id: str = ""
    items: list[Item] = field(default_factory=list)


def new_journal(state_directory: str, what: str, now: datetime, run_id: str = "") -> Journal:
    """Return the journal of a restore that begins now; it is not on disk yet."""
    number = max((journal.number for journal in read_journals(state_directory)), default=0) + 1
    return Journal(f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", what, to_iso(now), number, run_id=run_id)


def write_journal(state_directory: str, journal: Journal) -> None:
    """Put the journal on disk, or take it away when it has no items any more.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    path = Path(state_directory, DIRECTORY, f"{journal.id}.json")
    if not journal.items:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
        return
    make_private_directory(path.parent)
    write_atomically(path, json.dumps({"schema": SCHEMA, **asdict(journal)}, indent=1).encode())


def read_journals(state_directory: str) -> list[Journal]:
    """Return all journals, the oldest first.

    :raises UpkeepError: when one cannot be read: nobody knows then what a restore has left where.
    """
    directory = Path(state_directory, DIRECTORY)
    try:
        names = sorted(entry.name for entry in os.scandir(directory) if _ID.fullmatch(entry.name[:-5]))
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise UpkeepError(f"cannot look at {directory}: {exc.strerror}") from exc
    journals = [_read(directory / name) for name in names if name.endswith(".json")]
    return sorted(journals, key=lambda journal: journal.number)


def _read(path: Path) -> Journal:
    wrong = f"{path} is no journal of a restore; look at it and at {STAGING_PREFIX}* beside the targets, then move it away"
    try:
        with open(path, "rb") as stream:
            record = json.loads(stream.read(_MAX_BYTES))
        if record["schema"] != SCHEMA:
            raise UpkeepError(f"{path} was written by another version (schema {record['schema']}); update the collection")
        journal = Journal(record["id"], record["what"], record["started"], int(record["number"]), record["phase"])
        journal.run_id = str(record.get("run_id") or "")
        journal.items = [_item(item) for item in record["items"]]
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise UpkeepError(wrong) from exc
    if journal.id != path.stem or journal.phase not in PHASES:
        raise UpkeepError(wrong)
    return journal


def _item(record: Mapping[str, Any]) -> Item:
    staging = record["staging"]
    # What is removed later is only ever called so.
    if not (os.path.isabs(staging) and os.path.basename(staging).startswith(STAGING_PREFIX) and os.path.isabs(record["target"])):
        raise ValueError(staging)
    identities = {key: None if record[key] is None else int(record[key]) for key in ("staging_identity", "new", "old")}
    return Item(record["target"], staging, removing=bool(record["removing"]), **identities)
