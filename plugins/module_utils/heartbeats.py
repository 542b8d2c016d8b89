# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Heartbeats: each cadence leaves a small file when it has run to its end, and silence is an alarm."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import UNKNOWN, check_result, grade
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.run_index import read_json
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, is_run_id

HEARTBEATS = "heartbeats"
SCHEMA = 1

#: Clocks of two machines may differ by this much before a heartbeat from the future is suspicious.
CLOCK_TOLERANCE_SECONDS = 300.0
_MAX_SLUG = 80
_MAX_BYTES = 64 * 1024
_KEYS = ("run_id", "platform", "playbook", "started", "ended", "status", "health")


def slug(name: str) -> str:
    """Return a name as part of a file name: lower case letters, digits and underscores.

    A name that this changes or cuts would lose what tells it from the next (``Web 1`` from ``web-1``): it gets a mark of
    its own.
    """
    short = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_MAX_SLUG]
    if short == name:
        return short
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{short or 'platform'}_{mark}"


def heartbeat_path(directory: Path, platform: str, playbook: str) -> Path:
    """Return the file of one cadence of one platform; two platforms may share a report directory."""
    return directory / HEARTBEATS / f"{slug(platform)}.{slug(playbook)}.json"


def heartbeat_content(record: Mapping[str, Any]) -> bytes:
    """Return what the file of a run's heartbeat holds."""
    return json.dumps({"schema": SCHEMA, **{key: record[key] for key in _KEYS}}, indent=1).encode() + b"\n"


def read_heartbeats(directory: Path, platform: str) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the heartbeats of a platform by playbook, and by file name why others cannot be used.

    :raises UpkeepError: when the directory cannot be read.
    """
    beats: dict[str, dict[str, Any]] = {}
    damaged: dict[str, str] = {}
    try:
        names = sorted(entry.name for entry in os.scandir(directory / HEARTBEATS) if entry.name.endswith(".json"))
    except FileNotFoundError:
        return {}, {}
    except OSError as exc:
        raise UpkeepError(f"cannot read {directory / HEARTBEATS}: {exc.strerror}") from exc
    for name in names:
        if not name.startswith(f"{slug(platform)}."):
            continue
        try:
            beat = _read(directory / HEARTBEATS / name)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as exc:
            damaged[name] = plain(str(exc), 200)
            continue
        if beat["platform"] == platform:
            beats[beat["playbook"]] = beat
    return beats, damaged


def age_check(
    playbook: str,
    beat: Mapping[str, Any] | None,
    *,
    now: datetime,
    warning_hours: float,
    critical_hours: float,
    damaged: str = "",
) -> dict[str, Any]:
    """Return the check ``heartbeat.age`` of one cadence.

    :param beat: its heartbeat, None when there is none.
    :param damaged: why its heartbeat cannot be used, '' when it can.
    """
    limits: dict[str, Any] = {"unit": "hours", "warning": warning_hours, "critical": critical_hours}
    hint = f"Run upkeep.runbook.{playbook} once and look at its schedule (cron, systemd timer, AWX)."
    if damaged:
        return check_result(
            "heartbeat.age", playbook, UNKNOWN, f"The heartbeat of {playbook} cannot be read: {damaged}.", hint=hint, **limits
        )
    if beat is None:
        return check_result(
            "heartbeat.age", playbook, UNKNOWN, f"{playbook} has left no heartbeat: it never ran whole to its end.",
            hint=hint, **limits,
        )
    age_seconds = (now - from_iso(beat["ended"])).total_seconds()
    hours = round(age_seconds / 3600, 2)
    if age_seconds < -CLOCK_TOLERANCE_SECONDS:
        return check_result(
            "heartbeat.age", playbook, UNKNOWN, f"The last run of {playbook} ended in the future ({beat['ended']}).",
            value=hours, hint="Compare the clocks of the controller and the report host.", **limits,
        )
    hours = max(hours, 0.0)
    age = f"{hours:g} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    status = grade(hours, warning_hours, critical_hours)
    return check_result(
        "heartbeat.age", playbook, status,
        f"The last whole run of {playbook} ended {age} ago ({beat['ended']}, {beat['health']}); "
        f"warning at {warning_hours:g}, critical at {critical_hours:g} hours.",
        value=hours, hint=None if status == "ok" else hint, **limits,
    )


def _read(path: Path) -> dict[str, Any]:
    beat = read_json(path, max_bytes=_MAX_BYTES)
    if not isinstance(beat, dict) or not all(isinstance(beat.get(key), str) for key in _KEYS):
        raise ValueError("it has not the keys of a heartbeat")
    if not is_run_id(beat["run_id"]):
        raise ValueError("its run id has another form")
    from_iso(beat["ended"])
    return {key: plain(beat[key], 200) for key in _KEYS}
