# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files of fail2ban this collection wrote and what was there before, on disk, so that a killed run is put back by the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record

FILE_NAME = "fail2ban_jails.json"
SCHEMA = 1
_OTHERWISE = "no record of jails; look at it and move it away"

#: Text by path below the configuration; None where there is no file.
Files = Mapping[str, Optional[str]]


@dataclass(frozen=True)
class Record:
    """What was written.

    :ivar pending: nobody has seen yet that the jails run: a run is at work, or was killed.
    :ivar files: what was written.
    :ivar before: what was there before that.
    :ivar owned: files that are this collection's, and go when they are not wanted any more; as long as it is pending, those before.
    """

    pending: bool
    since: str
    run_id: str
    files: Files
    before: Files
    owned: list[str] = field(default_factory=list)


def read_record(directory: Path) -> Record | None:
    """Return what is on disk, or None.

    :raises UpkeepError: when it cannot be read.
    """
    return read_state_record(directory / FILE_NAME, SCHEMA, _record, otherwise=_OTHERWISE)


def write_record(directory: Path, record: Record) -> None:
    """Replace the file.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    make_private_directory(directory)
    write_atomically(directory / FILE_NAME, json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1).encode())


def _record(content: Mapping[str, Any]) -> Record:
    files, before = ({_place(name): text for name, text in content[key].items()} for key in ("files", "before"))
    return Record(
        bool(content["pending"]), str(content["since"]), str(content["run_id"]), files, before, [_place(name) for name in content["owned"]]
    )


def _place(name: str) -> str:
    folder, _slash, file = name.partition("/")
    if folder not in ("jail.d", "filter.d") or "/" in file or not file.endswith(".local"):
        raise ValueError("place")
    return name
