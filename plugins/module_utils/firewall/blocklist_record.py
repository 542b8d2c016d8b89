# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each list was when it was applied last, on disk: what the next one is compared with, and what has to be blocked for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network, read_network, shown_network
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record

FILE_NAME = "blocklists.json"
SCHEMA = 1
_OTHERWISE = "no record of blocklists; look at it and move it away, then the next lists are compared with nothing"


@dataclass(frozen=True)
class Applied:
    """A list as it was applied.

    :ivar size: how many networks it held.
    :ivar owned: those that were blocked for it, and not for another list or an incident, and were not spared; None where that was not noted.
    """

    size: int
    owned: Optional[frozenset[Network]] = None


def read_applied(directory: Path) -> dict[str, Applied]:
    """Return what each list was, by its name.

    :raises UpkeepError: when it cannot be read.
    """
    return read_state_record(directory / FILE_NAME, SCHEMA, _applied, otherwise=_OTHERWISE) or {}


def write_applied(directory: Path, applied: Mapping[str, Applied]) -> None:
    """Replace the file.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    make_private_directory(directory)
    # The networks beside the sizes: versions of before read those alone.
    record = {
        "schema": SCHEMA,
        "lists": {name: one.size for name, one in applied.items()},
        "owned": {name: sorted(map(shown_network, one.owned)) for name, one in applied.items() if one.owned is not None},
    }
    write_atomically(directory / FILE_NAME, json.dumps(record, indent=1).encode())


def _applied(record: Mapping[str, Any]) -> dict[str, Applied]:
    owned = {str(name): frozenset(read_network(text, name) for text in rows) for name, rows in record.get("owned", {}).items()}
    return {str(name): Applied(int(size), owned.get(str(name))) for name, size in record["lists"].items()}
