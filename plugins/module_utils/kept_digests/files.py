# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where digests are kept on the report host: a file for each host, that only its owner and root can read or write."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.guarded_files import Forgeable, read_guarded
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import slug
from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.record import SCHEMA, Record, empty, read_content

FOLDER = "baselines"
LOCK = ".lock"
#: As the report makes its own directory when there is none yet.
_REPORT_MODE = 0o750
_MAX_BYTES = 4 * 1024 * 1024


def record_path(directory: Path, platform: str, host: str) -> Path:
    """Return the file of a host; several platforms may share a report directory."""
    return directory / FOLDER / slug(platform) / f"{slug(host)}.json"


def make_folders(path: Path) -> None:
    """Make the folders of a file.

    :raises UpkeepError: when one cannot be made.
    """
    make_private_directory(path.parents[2], _REPORT_MODE)
    make_private_directory(path.parents[1])
    make_private_directory(path.parent)


def read_record(path: Path, platform: str, host: str) -> Record:
    """Return what is known of the baselines of a host; nothing when there is no file.

    :raises UpkeepError: when the file cannot be read, could have been written by others, or is no such record.
    """
    try:
        data = read_guarded(path, _MAX_BYTES)
    except Forgeable as exc:
        raise UpkeepError(f"{exc.message}: its digests prove nothing. Correct its owner and mode, then look at it") from exc
    if data is None:
        return empty()
    try:
        content = json.loads(data)
        record = read_content(content)
        same = (content["platform"], content["host"]) == (platform, host)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UpkeepError(f"{path} is damaged; put it back from a backup, or move it away and accept anew") from None
    if not same:
        raise UpkeepError(f"{path} is of another host or platform; put it back where it belongs")
    return record


def write_record(path: Path, record: Record, platform: str, host: str) -> None:
    """Put a record on disk.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    content = {"schema": SCHEMA, "platform": platform, "host": host, **record}
    write_atomically(path, json.dumps(content, indent=1).encode() + b"\n", 0o600)
