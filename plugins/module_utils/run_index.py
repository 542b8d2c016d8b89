# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The index of past runs: a few lines for each run that is kept in a report directory.

The directories of the runs are the truth, the index only spares reading them all. So a damaged or outdated index costs
nothing: what it does not know is read from the record of the run, and what is gone is left out.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import SEVERITY, UNKNOWN, platform_health
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import SCHEMA
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import index_entry
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, is_run_id, run_started, to_iso

RUNS = "runs"
RECORD = "record.json"
INDEX = "index.json"

MAX_RECORD_BYTES = 64 * 1024 * 1024
_ENTRY_TEXTS = ("run_id", "platform", "playbook", "started", "ended", "status", "health")


def past_runs(directory: Path) -> tuple[list[dict[str, Any]], str]:
    """Return the entries of the runs that are there, newest first, and what is wrong with the index ('' when nothing).

    A run whose record cannot be read has an entry too, with the key ``damaged`` that says why.

    :raises UpkeepError: when the directory cannot be read.
    """
    known, problem = _read_index(directory / INDEX)
    indexed_at = _changed(directory / INDEX)
    entries = []
    for run_id in _run_ids(directory / RUNS):
        # A record that is younger than the index was written again, by this run or by one that was killed then.
        written_at = _changed(directory / RUNS / run_id / RECORD)
        current = known.get(run_id) if 0 < written_at < indexed_at else None
        entry = current or _read_entry(directory, run_id)
        if entry is not None:
            entries.append(entry)
    return sorted(entries, key=newest_key, reverse=True), problem


def newest_key(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return what orders runs in time; ISO 8601 UTC times order as text."""
    return (str(entry["ended"]), str(entry["run_id"]))


def surplus(entries: Iterable[Mapping[str, Any]], *, keep: int, needed: Iterable[str] = ()) -> list[str]:
    """Return the ids of the runs to remove: all but the newest ``keep`` of each playbook of each platform.

    Counting each playbook by itself keeps the daily runs when the health check runs every five minutes.

    :param needed: ids of runs that stay whatever their age.
    """
    stays = set(needed)
    counted: dict[tuple[str, str], int] = {}
    removed = []
    for entry in sorted(entries, key=newest_key, reverse=True):
        key = (entry["platform"], entry["playbook"])
        counted[key] = counted.get(key, 0) + 1
        if counted[key] > keep and entry["run_id"] not in stays:
            removed.append(entry["run_id"])
    return removed


def read_file(path: Path, *, max_bytes: int = MAX_RECORD_BYTES) -> bytes:
    """Return what is in a file of ours.

    The directory may belong to an unprivileged user while root reads: what he put there in place of a file is neither
    followed (a link to a file that only root may read) nor waited for (a pipe).

    :raises FileNotFoundError: when there is none.
    :raises ValueError: when it is too big or no plain file, with the reason.
    :raises OSError: when it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no plain file")
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes} bytes")
    return content


def read_json(path: Path, *, max_bytes: int = MAX_RECORD_BYTES) -> Any:
    """Return the JSON value in a file.

    :raises FileNotFoundError: when there is none.
    :raises ValueError: when it is too big or no JSON, with the reason.
    :raises OSError: when it cannot be read.
    """
    content = read_file(path, max_bytes=max_bytes)
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as exc:
        raise ValueError(f"it is no JSON ({exc})") from exc


def read_record(directory: Path, run_id: str) -> dict[str, Any]:
    """Return the record of a past run.

    :raises ValueError: when it cannot be used, with the reason.
    :raises OSError: when it cannot be read.
    """
    record = read_json(directory / RUNS / run_id / RECORD)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise ValueError(f"it is no run record of schema {SCHEMA}")
    return record


def _read_index(path: Path) -> tuple[dict[str, dict[str, Any]], str]:
    try:
        index = read_json(path)
    except FileNotFoundError:
        return {}, ""
    except (ValueError, OSError) as exc:
        return {}, f"{path} is damaged: {_reason(exc)}"
    runs = index.get("runs") if isinstance(index, dict) else None
    if not isinstance(runs, list):
        return {}, f"{path} is damaged: it holds no list of runs"
    sound = {entry["run_id"]: entry for entry in runs if _is_entry(entry)}
    lost = len(runs) - len(sound)
    return sound, f"{path} is damaged: {lost} of its {len(runs)} entries cannot be used" if lost else ""


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in _ENTRY_TEXTS):
        return False
    if entry["status"] not in SEVERITY or not isinstance(entry.get("counts"), dict) or "damaged" in entry:
        return False
    try:
        from_iso(entry["started"])
        from_iso(entry["ended"])
    except ValueError:
        return False
    return isinstance(entry.get("hosts"), int)


def _changed(path: Path) -> int:
    """Return when a file was written, in nanoseconds since the epoch; 0 when it cannot be told."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _run_ids(runs: Path) -> list[str]:
    """Return the names of the directories of runs: what has another name is not ours."""
    try:
        with os.scandir(runs) as found:
            return [entry.name for entry in found if is_run_id(entry.name) and entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise UpkeepError(f"cannot read {runs}: {exc.strerror}") from exc


def _read_entry(directory: Path, run_id: str) -> dict[str, Any] | None:
    """Return the entry of a run that the index does not know; None when it has no record: a killed run left it."""
    try:
        record = read_record(directory, run_id)
        entry = plain_value(index_entry(record))
        if not _is_entry(entry) or entry["run_id"] != run_id:
            raise ValueError("its keys have other types than those of a run record")
        return dict(entry)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return _damaged(run_id, _reason(exc))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        return _damaged(run_id, plain(str(exc), 200))


def _damaged(run_id: str, reason: str) -> dict[str, Any]:
    try:
        moment = to_iso(run_started(run_id))
    except ValueError:
        moment = "1970-01-01T00:00:00Z"  # such as month 13: nothing of ours wrote it
    entry = {key: "" for key in _ENTRY_TEXTS}
    return {
        **entry, "run_id": run_id, "started": moment, "ended": moment, "check_mode": False,
        "status": UNKNOWN, "health": platform_health(UNKNOWN), "hosts": 0, "counts": {}, "damaged": reason,
    }


def _reason(exc: Exception) -> str:
    return plain(exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc), 200)
