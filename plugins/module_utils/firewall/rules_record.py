# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rules were loaded, whether somebody came back after that, and what was there before, on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    make_private_directory,
    sync_directory,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.revert_timer import is_timer
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_text import Rules, Table
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

FILE_NAME = "nft_rules.json"
SCHEMA = 1
TIMER_PREFIX = "upkeep-rules-revert-"
#: Files with tables of somebody else that rules have replaced.
REPLACED_PREFIX = "nft_rules.replaced-"
#: A timer takes the rules back.
PENDING = "pending"
#: Somebody came back after they were in force, and stopped the timer.
CONFIRMED = "confirmed"
_OTHERWISE = "no record of rules; look at it and move it away"


@dataclass(frozen=True)
class Record:
    """Rules that were loaded.

    :ivar since: when, ISO 8601 UTC.
    :ivar reverts_at: when the timer takes them back unless somebody confirms; None when it was confirmed.
    :ivar timers: units of timers that may run; each is noted before it runs.
    :ivar digest: of the tables in the kernel after they were loaded; "" until then.
    :ivar path: the file in which they are kept for a restart, and what includes it ("" where nothing has to); None where that was not noted.
    :ivar before: what was confirmed before and comes back with the timer; None when nothing was, or no timer can come any more.
    """

    phase: str
    since: str
    run_id: str
    reverts_at: Optional[str]
    timers: list[str]
    rules: Rules
    digest: str
    before: Optional[Record] = None
    path: Optional[str] = None
    configuration: Optional[str] = None


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


def way_back_file(directory: Path, timer: str) -> Path:
    """Return the file that a timer loads."""
    return directory / f"{timer}.nft"


def tables_of(record: Record | None) -> tuple[Table, ...]:
    """Return the tables that are this collection's: those of a record, and of what was before it and may have come back."""
    return () if record is None else tuple(dict.fromkeys([*record.rules.tables, *tables_of(record.before)]))


def keep_replaced(directory: Path, record: Record) -> None:
    """Keep the way back of rules that replaced a table of somebody else, who may have it nowhere but in the kernel.

    :raises UpkeepError: when it cannot be kept.
    """
    way = way_back_file(directory, record.timers[-1]) if record.timers else None
    if way is None or not way.exists():
        return
    try:
        text = way.read_text(encoding="utf-8")
        if any(f"table {one} {{" in text for one in set(record.rules.tables) - set(tables_of(record.before))):
            os.replace(way, directory / f"{REPLACED_PREFIX}{record.timers[-1][len(TIMER_PREFIX):]}.nft")
            sync_directory(directory)
    except OSError as exc:
        raise UpkeepError(f"the rules that were replaced cannot be kept: {way}: {exc.strerror}") from exc


def remove_ways_back(directory: Path, timers: list[str]) -> None:
    """Remove the files of timers that are none of these."""
    for path in directory.glob(f"{TIMER_PREFIX}*.nft"):
        if is_timer(path.stem, TIMER_PREFIX) and path.stem not in timers:
            path.unlink(missing_ok=True)


def _record(content: Mapping[str, Any]) -> Record:
    if content["phase"] not in (PENDING, CONFIRMED):
        raise ValueError("phase")
    return Record(
        content["phase"], content["since"], plain(content["run_id"], 100), content["reverts_at"],
        [name for name in content["timers"] if is_timer(name, TIMER_PREFIX)],
        Rules(tuple(Table(row["family"], row["name"]) for row in content["rules"]["tables"]), content["rules"]["text"]),
        str(content["digest"]), _record(content["before"]) if content["before"] else None,
        *(None if content.get(key) is None else str(content[key]) for key in ("path", "configuration")),
    )
