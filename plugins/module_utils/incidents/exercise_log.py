# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logs of exercises on the report host: one custody log for each, written as those of incidents are, and looked through for the last."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import UNKNOWN, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.chain import Chain, chain_check
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import INCIDENT_ID, Entry, read_incident
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.log_file import append, log_path, read_log
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.recording import writer_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import heartbeat_path, read_heartbeats
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.exercises import Held, exercise_entry, held_in, is_same
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.readiness import SELFTEST, exercise_check, selftest_check
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

EXERCISES = "exercises"
_SELFTEST = "security_selftest"
_MAX_LOGS = 2000
_MAX_LISTED = 50
_RANGES = {"warning_days": (1, 3650), "selftest_warning_days": (0, 3650), "wait_seconds": (0, 3600)}


def keep_exercises(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the module ``incident_exercise`` was asked for, and return its answer.

    :raises UpkeepError: when an option is wrong, or an exercise could not be written down.
    """
    refuse_out_of_range(params, _RANGES)
    directory = Path(params["directory"])
    if not directory.is_absolute():
        raise UpkeepError(f"directory is {plain(params['directory'], 200)!r}; it must be absolute")
    if params["state"] == "query":
        return _looked_through(directory, params, now)
    return _written_down(directory, params, now, check_mode=check_mode)


def _written_down(directory: Path, params: Mapping[str, Any], now: datetime, *, check_mode: bool) -> dict[str, Any]:
    """Write an exercise down, unless the log ends with the same."""
    exercise = read_incident(params["exercise"] or "", "exercise")
    path = log_path(directory / EXERCISES, exercise)
    rows: deque[dict[str, Any]] = deque(maxlen=1)
    held: deque[Held] = deque(maxlen=1)

    def visit(row: dict[str, Any]) -> None:
        rows.append(row)
        _note_held(held, exercise, params["platform"], now, row)

    chain = read_log(path, visit=visit, wait_seconds=params["wait_seconds"]) or Chain()
    entry = exercise_entry(params, now, held[0].day if held else None)
    last = rows[0] if rows else None
    changed = not is_same(entry, last)
    if changed and not check_mode:
        writer = writer_of(params["operator"], params["run_id"])
        chain, head = append(path, [entry], writer, now, wait_seconds=params["wait_seconds"])
        # What was cut off has been set aside, and is told by an entry.
        chain.head, chain.tail = head, b""
    checks = [chain_check(chain, str(path))]
    answer = {"changed": changed, "path": str(path), "head": chain.head.as_dict(), "status": worst_of(checks), "checks": checks}
    return {**answer, "exercises": [], "diff": {"before": _shown(last), "after": _shown(_as_row(entry))}}


def _note_held(rows: deque[Held], exercise: str, platform: str, now: datetime, row: dict[str, Any]) -> None:
    one = held_in(row, exercise, platform, now)
    if one is not None:
        rows.append(one)


def _looked_through(directory: Path, params: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return how long ago the last exercise and the last self-test were."""
    platform = params["platform"]
    held: list[Held] = []
    unreadable: list[str] = []
    broken: list[str] = []
    for exercise in _exercises(directory / EXERCISES, unreadable):
        rows: deque[Held] = deque(maxlen=1)  # what was written last about an exercise counts
        visit = partial(_note_held, rows, exercise, platform, now)
        try:
            chain = read_log(log_path(directory / EXERCISES, exercise), visit=visit, wait_seconds=params["wait_seconds"])
        except UpkeepError as exc:
            unreadable.append(exc.message)
            continue
        if chain is not None and chain.problems:
            broken.append(f"The log of {exercise} is not what was written, and does not count: {chain.problems[0]}")
        else:
            held += rows
    checks = [exercise_check(
        platform, held, unreadable=unreadable, broken=broken, warning_days=params["warning_days"], now=now
    )]  # fmt: skip
    if params["selftest_warning_days"]:
        checks.append(_selftest(directory, platform, params["selftest_warning_days"], now))
    held.sort(key=lambda one: one.day, reverse=True)
    listed = [
        {"exercise": one.exercise, "held": one.day.isoformat(), "scenario": one.scenario, "actions": one.actions}
        for one in held[:_MAX_LISTED]
    ]
    return {"changed": False, "status": worst_of(checks), "checks": fold_ok(checks, return_all=params["return_all"]), "exercises": listed}


def _exercises(directory: Path, unreadable: list[str]) -> list[str]:
    """Return the ids of exercises that have a folder; one with another name was never made here."""
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if INCIDENT_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as exc:
        unreadable.append(f"{directory} cannot be read ({exc.strerror})")
        return []
    if len(names) > _MAX_LOGS:
        unreadable.append(f"{directory} holds more than {_MAX_LOGS} exercises, of which the last by name were read")
    return names[-_MAX_LOGS:]


def _selftest(directory: Path, platform: str, warning_days: int, now: datetime) -> dict[str, Any]:
    try:
        beats, damaged = read_heartbeats(directory, platform)
    except UpkeepError as exc:
        return check_result(SELFTEST, platform, UNKNOWN, f"When the alarm was tried last, nobody can tell: {exc.message}.")
    name = heartbeat_path(directory, platform, _SELFTEST).name
    return selftest_check(platform, beats.get(_SELFTEST), damaged=damaged.get(name, ""), warning_days=warning_days, now=now)


def _as_row(entry: Entry) -> dict[str, Any]:
    return {"step": entry.step, "outcome": entry.outcome, "summary": plain(entry.summary, 500), "details": entry.details}


def _shown(row: Mapping[str, Any] | None) -> str:
    """Return an entry as diff mode shows it, without what is of the log alone."""
    kept = {key: row[key] for key in ("outcome", "summary", "details") if key in row} if row is not None else {}
    return json.dumps(kept, indent=1, ensure_ascii=False) + "\n" if kept else ""
