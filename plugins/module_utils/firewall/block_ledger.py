# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses are blocked, why and until when, on disk: the kernel keeps no reasons, and nothing over a reboot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import (
    End,
    Network,
    read_network,
    shown_network,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

FILE_NAME = "ip_block.json"
SCHEMA = 1
MAX_ENTRIES = 10_000
MAX_REASON_CHARACTERS = 200
_OTHERWISE = (
    "no list of blocked addresses. Look at it and move it away: what the kernel blocks stays blocked, and the next call takes that"
    " over, without the reasons."
)


@dataclass(frozen=True)
class Entry:
    """One block.

    :ivar network: what is blocked.
    :ivar added: when it was blocked, seconds since 1970.
    :ivar expires: when it ends, or None.
    :ivar timeout_seconds: what was asked for, 0 without an end.
    """

    network: Network
    reason: str
    added: float
    expires: End
    timeout_seconds: int
    run_id: str = ""

    def row(self) -> dict[str, Any]:
        """Return the block for people and for the file."""
        return {
            "address": shown_network(self.network),
            "reason": self.reason,
            "added": _iso(self.added),
            "expires": None if self.expires is None else _iso(self.expires),
            "timeout_seconds": self.timeout_seconds,
            "run_id": self.run_id,
        }


@dataclass(frozen=True)
class Ledger:
    """What the file holds.

    :ivar allow: networks that are never blocked, as given last.
    :ivar entries: by network; those that have ended are among them until the next change.
    """

    allow: tuple[Network, ...] = ()
    entries: Mapping[Network, Entry] = field(default_factory=dict)

    def lasting(self, now: float) -> dict[Network, Entry]:
        """Return the entries that have not ended."""
        return {network: entry for network, entry in self.entries.items() if entry.expires is None or entry.expires > now}


def read_ledger(directory: Path) -> Ledger:
    """Return what is on disk, nothing when there is no file.

    :raises UpkeepError: when it cannot be read: nobody knows then what is to be blocked.
    """
    return read_state_record(directory / FILE_NAME, SCHEMA, _ledger, otherwise=_OTHERWISE) or Ledger()


def write_ledger(directory: Path, ledger: Ledger) -> None:
    """Replace the file.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    make_private_directory(directory)
    record = {
        "schema": SCHEMA,
        "allow": [str(network) for network in ledger.allow],
        "entries": [entry.row() for entry in ledger.entries.values()],
    }
    write_atomically(directory / FILE_NAME, json.dumps(record, indent=1).encode())


def ends_of(entries: Iterable[Entry]) -> dict[Network, End]:
    """Return when each network is free again."""
    return {entry.network: entry.expires for entry in entries}


def _ledger(record: Mapping[str, Any]) -> Ledger:
    entries = [_entry(row) for row in record["entries"]]
    return Ledger(tuple(read_network(text, "allow") for text in record["allow"]), {entry.network: entry for entry in entries})


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        read_network(row["address"], "address"),
        plain(row["reason"], MAX_REASON_CHARACTERS),
        from_iso(row["added"]).timestamp(),
        None if row["expires"] is None else from_iso(row["expires"]).timestamp(),
        int(row["timeout_seconds"]),
        plain(row["run_id"], 100),
    )


def _iso(moment: float) -> str:
    return to_iso(datetime.fromtimestamp(moment, timezone.utc))
