# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long each list was when it was applied last, on disk: what the next one is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.state_records import read_state_record

FILE_NAME = "blocklists.json"
SCHEMA = 1
_OTHERWISE = "no record of blocklists; look at it and move it away, then the next lists are compared with nothing"


def read_sizes(directory: Path) -> dict[str, int]:
    """Return how many networks each list held, by its name.

    :raises UpkeepError: when it cannot be read.
    """
    return read_state_record(directory / FILE_NAME, SCHEMA, _sizes, otherwise=_OTHERWISE) or {}


def write_sizes(directory: Path, sizes: Mapping[str, int]) -> None:
    """Replace the file.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    make_private_directory(directory)
    write_atomically(directory / FILE_NAME, json.dumps({"schema": SCHEMA, "lists": dict(sizes)}, indent=1).encode())


def _sizes(record: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(size) for name, size in record["lists"].items()}
