# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a contained account was before, on disk and for root only: no password is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.authorized_keys import KeyFile
from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    sync_directory,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

DIRECTORY = "containment"
SCHEMA = 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?")
_STORED = re.compile(r"[0-9a-f]{16}")
_OTHERWISE = "no record of a contained account; look at it and at the folder beside it"


@dataclass(frozen=True)
class Shadow:
    """The line of /etc/shadow, by digests.

    :ivar locked: this module locked the password.
    :ivar expire: the day of expiry from before.
    :ivar before: digest of the line before, ``after`` of the one that is left.
    """

    locked: bool
    expire: str
    before: str
    after: str


@dataclass(frozen=True)
class Contained:
    """One account.

    :ivar shadow: None when the account was shut already, or was not to be.
    """

    name: str
    uid: int
    since: str
    reason: str
    run_id: str
    shadow: Optional[Shadow] = None
    keys: tuple[KeyFile, ...] = field(default_factory=tuple)


def check_name(name: str) -> str:
    """Return the name of an account when it is one that can be a name of a file.

    :raises UpkeepError: otherwise.
    """
    if not _NAME.fullmatch(name):
        raise UpkeepError(f"users: {plain(name, 100)!r} is no name of a local account.")
    return name


def folder_of(state_directory: Path, name: str) -> Path:
    """Return the folder of the key files of an account."""
    return state_directory / DIRECTORY / check_name(name)


def contained_names(state_directory: Path) -> list[str]:
    """Return the accounts of which something is noted."""
    return sorted(path.stem for path in (state_directory / DIRECTORY).glob("*.json") if _NAME.fullmatch(path.stem))


def read_contained(state_directory: Path, name: str) -> Contained | None:
    """Return what is noted of an account, or None.

    :raises UpkeepError: when it cannot be read.
    """
    path = state_directory / DIRECTORY / f"{check_name(name)}.json"
    return read_state_record(path, SCHEMA, lambda record: _contained(record, name), otherwise=_OTHERWISE)


def write_contained(state_directory: Path, contained: Contained) -> None:
    """Put it on disk.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    path = state_directory / DIRECTORY / f"{check_name(contained.name)}.json"
    make_private_directory(state_directory)
    make_private_directory(path.parent)
    write_atomically(path, json.dumps({"schema": SCHEMA, **asdict(contained)}, indent=1).encode())


def forget_contained(state_directory: Path, contained: Contained) -> None:
    """Take it away, and the copies of the key files."""
    folder = folder_of(state_directory, contained.name)
    (folder.parent / f"{contained.name}.json").unlink(missing_ok=True)
    sync_directory(folder.parent)
    if folder.is_dir():
        for path in folder.iterdir():
            if _STORED.fullmatch(path.name):
                path.unlink()
        try:
            folder.rmdir()
        except OSError:
            pass  # something of somebody else is in it


def _contained(record: Mapping[str, Any], name: str) -> Contained:
    shadow, keys = record["shadow"], tuple(KeyFile(**row) for row in record["keys"])
    if record["name"] != name or not all(_STORED.fullmatch(one.stored) for one in keys):
        raise ValueError("name or stored")
    return Contained(
        record["name"], int(record["uid"]), record["since"], plain(record["reason"], 200), plain(record["run_id"], 100),
        None if shadow is None else Shadow(**shadow), keys,
    )
