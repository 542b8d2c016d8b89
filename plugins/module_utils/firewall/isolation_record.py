# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was isolated, since when and until when, on disk: what the kernel does not know of its rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    sync_directory,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.revert_timer import is_timer
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

FILE_NAME = "isolation.json"
SCHEMA = 1
#: Of the names of its timers.
TIMER_PREFIX = "upkeep-isolation-revert-"
#: A timer gives the host back.
PENDING = "pending"
#: Somebody came back after the rules were in force, and stopped the timer.
CONFIRMED = "confirmed"
#: The host was given back, and nobody could see its timers stopped: they stay noted, since they would end a later isolation.
RELEASED = "released"
_OTHERWISE = "no record of an isolation; look at it and move it away"


@dataclass(frozen=True)
class Record:
    """An isolation.

    :ivar since: when it was asked for, ISO 8601 UTC.
    :ivar reverts_at: when the timer gives the host back, unless somebody confirms; None when it was confirmed.
    :ivar timers: units of timers that may run; each is noted before it runs.
    :ivar rules: those that are to be in force, by chain.
    """

    phase: str
    since: str
    reason: str
    run_id: str
    reverts_at: Optional[str]
    timers: list[str]
    rules: dict[str, list[str]] = field(default_factory=dict)


def read_record(directory: Path) -> Record | None:
    """Return what is on disk, or None.

    :raises UpkeepError: when it cannot be read.
    """
    return read_state_record(directory / FILE_NAME, SCHEMA, _record, otherwise=_OTHERWISE)


def write_record(directory: Path, record: Record | None) -> None:
    """Replace the file, or take it away.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    path = directory / FILE_NAME
    if record is None:
        if path.exists():
            path.unlink()
            sync_directory(directory)
        return
    make_private_directory(directory)
    write_atomically(path, json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1).encode())


def _record(content: Mapping[str, Any]) -> Record:
    if content["phase"] not in (PENDING, CONFIRMED, RELEASED):
        raise ValueError("phase")
    return Record(
        content["phase"], content["since"], plain(content["reason"], 200), plain(content["run_id"], 100), content["reverts_at"],
        [name for name in content["timers"] if is_timer(name, TIMER_PREFIX)],
        {str(chain): [str(rule) for rule in rules] for chain, rules in content["rules"].items()},
    )
