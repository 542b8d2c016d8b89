# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The memory of the notifications: one JSON file for each platform on the report host."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import remove_leftovers, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, SEVERITY
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import slug
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.changes import Key, Known, Told
from ansible_collections.upkeep.runbook.plugins.module_utils.run_index import read_json
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

DIRECTORY = "notify"
SCHEMA = 1
MAX_BYTES = 64 * 1024 * 1024
FILE_MODE = 0o640
_KEPT_ASIDE = 3
_TEXTS = ("host", "check", "subject", "role", "since", "status", "summary", "hint")


@dataclass(frozen=True)
class Failure:
    """The last use of a channel failed.

    :ivar at: when, ISO 8601.
    """

    at: str
    reason: str


@dataclass(frozen=True)
class State:
    """What is known about problems, channels and threads of mail.

    :ivar failures: by the label of the channel; a channel that works has none.
    :ivar threads: the first Message-ID of a thread by audience, for as long as it has open problems.
    """

    known: Mapping[Key, Known] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    threads: Mapping[str, str] = field(default_factory=dict)


def state_path(directory: Path, platform: str) -> Path:
    """Return the file of one platform; two platforms may share a report directory."""
    return directory / DIRECTORY / f"{slug(platform)}.json"


def load_state(path: Path) -> tuple[State, str]:
    """Return the memory and why it cannot be used ('' when it can, or when there is none yet)."""
    try:
        return _read(read_json(path, max_bytes=MAX_BYTES)), ""
    except FileNotFoundError:
        return State(), ""
    except (OSError, ValueError, RecursionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        return State(), plain(reason or type(exc).__name__, 200)


def save_state(path: Path, state: State) -> None:
    """Write the memory.

    :raises UpkeepError: when it cannot be written.
    """
    document = {
        "schema": SCHEMA,
        "problems": [_problem(key, entry) for key, entry in sorted(state.known.items())],
        "failures": {label: {"at": failure.at, "reason": failure.reason} for label, failure in state.failures.items()},
        "threads": dict(state.threads),
    }
    remove_leftovers(path.parent, now=time.time())
    write_atomically(path, json.dumps(document, indent=1).encode() + b"\n", FILE_MODE)


def set_aside(path: Path, *, stamp: str) -> str:
    """Move a damaged memory away and return where to; only the newest few are kept.

    :param stamp: the time, as a part of the name.
    :raises UpkeepError: when it cannot be moved.
    """
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    try:
        os.replace(path, aside)
        older = sorted(path.parent.glob(f"{path.name}.corrupt-*"))[:-_KEPT_ASIDE]
        for name in older:
            os.unlink(name)
    except OSError as exc:
        raise UpkeepError(f"cannot move {path} away: {exc.strerror}") from exc
    return str(aside)


def with_failures(state: State, failures: Mapping[str, Failure], worked: set[str], labels: set[str]) -> State:
    """Return the state after channels were used; what is not described any more is forgotten.

    :param labels: the channels that are described now.
    """
    merged = {**state.failures, **failures}
    return replace(
        state, failures={label: failure for label, failure in merged.items() if label in labels and label not in worked}
    )


def _problem(key: Key, entry: Known) -> dict[str, Any]:
    host, check, subject = key
    return {
        "host": host, "check": check, "subject": subject, "role": entry.role, "playbooks": list(entry.playbooks),
        "since": entry.since, "status": entry.status, "summary": entry.summary, "hint": entry.hint,
        "told": {audience: {"status": told.status, "at": told.at} for audience, told in entry.told.items()},
    }


def _read(document: Any) -> State:
    """Return the state.

    :raises ValueError: when anything in it is not as it was written: half a memory would tell half of what is new.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"it is no memory of schema {SCHEMA}")
    try:
        known = dict(_read_problem(entry) for entry in document["problems"])
        failures = {str(label): Failure(_time(entry["at"]), str(entry["reason"])) for label, entry in document["failures"].items()}
        threads = {str(audience): str(thread) for audience, thread in document["threads"].items()}
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"it has another form ({type(exc).__name__})") from None
    return State(known, failures, threads)


def _read_problem(entry: Any) -> tuple[Key, Known]:
    if not all(isinstance(entry[key], str) for key in _TEXTS):
        raise ValueError("a problem in it has no text where one belongs")
    told = {str(audience): Told(_status(memory["status"]), _time(memory["at"])) for audience, memory in entry["told"].items()}
    known = Known(
        entry["role"], tuple(str(name) for name in entry["playbooks"]), _time(entry["since"]), _status(entry["status"]),
        entry["summary"], entry["hint"], told,
    )
    return (entry["host"], entry["check"], entry["subject"]), known


def _status(text: Any) -> str:
    if text not in SEVERITY or text == OK:
        raise ValueError("a status in it is none")
    return str(text)


def _time(text: Any) -> str:
    """Return a time that is written as we write it; only those order as text."""
    try:
        if isinstance(text, str) and to_iso(from_iso(text)) == text:
            return text
    except ValueError:
        pass
    raise ValueError("a time in it is none")
