# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery was about to do, on disk, so that the next one after a kill puts back what that one has left half done."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import is_run_id, to_iso

FILE = "recovery.json"
SCHEMA = 1
#: Under way, or killed; ended well; everything was put back; taken back later by the playbook rollback.
BEGUN, RECOVERED, UNDONE, ROLLED_BACK = "begun", "recovered", "undone", "rolled_back"
PHASES = (BEGUN, RECOVERED, UNDONE, ROLLED_BACK)
_MAX_BYTES = 64 * 1024
#: Of the recovery before this one, when that had ended well: it is the last one again when this one is undone.
_EARLIER = ("run_id", "playbook", "started", "backup")
_TEXTS = ("run_id", "playbook", "phase", "started", "changed", "backup", *(f"earlier_{key}" for key in _EARLIER))


def read_record(state_directory: str) -> dict[str, str]:
    """Return the record of the last recovery; empty when there was none.

    :raises UpkeepError: when it cannot be read: nobody knows then what the last recovery has left.
    """
    path = Path(state_directory, FILE)
    try:
        with open(path, "rb") as stream:
            content = json.loads(stream.read(_MAX_BYTES))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise UpkeepError(f"{path} is damaged; look at what the last recovery left, then move it away") from exc
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or content.get("phase") not in PHASES:
        raise UpkeepError(f"{path} is no record of a recovery of this version; look at it, then move it away")
    return {key: str(content.get(key) or "") for key in _TEXTS}


def plan_record(present: Mapping[str, str], options: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return the record after a step.

    :param present: the record as it is.
    :param options: ``phase``, ``run_id``, and when they are new ``playbook`` and ``backup``.
    :raises UpkeepError: when another recovery has begun in the meantime, or the run has no id.
    """
    run_id, phase = options["run_id"], options["phase"]
    if not is_run_id(run_id):
        raise UpkeepError(f"run_id: {run_id!r} has another form than YYYYMMDDTHHMMSSZ-xxxxxxxx")
    given = {key: options[key] for key in ("playbook", "backup") if options.get(key)}
    same = present.get("run_id") == run_id
    if not same and present.get("phase") == BEGUN:
        raise UpkeepError(f"the recovery {present['run_id']} has not ended; put back what it has left before another begins")
    empty = dict.fromkeys(_TEXTS, "")
    if phase == UNDONE and same and present.get("earlier_run_id"):
        # Nothing of this run stands: what can be taken back is the one before it.
        return {**empty, **{key: present[f"earlier_{key}"] for key in _EARLIER}, "phase": RECOVERED, "changed": to_iso(now)}
    if phase == UNDONE and present and not same:
        return dict(present)
    if same:
        return {**present, **given, "phase": phase, "changed": to_iso(now)}
    earlier = {f"earlier_{key}": present[key] for key in _EARLIER} if present.get("phase") == RECOVERED else {}
    return {**empty, **earlier, **given, "run_id": run_id, "phase": phase, "started": to_iso(now), "changed": to_iso(now)}


def write_record(state_directory: str, record: Mapping[str, str]) -> None:
    """Put the record on disk.

    :raises UpkeepError: when it cannot be written; the one before is then still there.
    """
    make_private_directory(Path(state_directory))
    write_atomically(Path(state_directory, FILE), json.dumps({"schema": SCHEMA, **record}, indent=1).encode() + os.linesep.encode())
