# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked for each group of logs, and the decisions that follow from it: what is due, and which archives go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import Archive
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What a group may set for itself, and reopen; what it leaves out comes from the options of the module.
DEFAULTS: dict[str, Any] = {
    "keep": 30, "max_age_days": 0.0, "max_total_bytes": 0, "min_bytes": 1, "max_bytes": 0, "min_age_hours": 20.0,
    "compress": "gzip", "method": "rename",
}
WAYS = ("signal", "pm2", "command", "none")
SIGNALS = ("HUP", "USR1", "USR2", "INT", "TERM", "WINCH")
#: A clock that was ahead wrote a stamp of the future: beyond this an archive says nothing about when a log is due.
CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True)
class Reopen:
    """How the writer of a log is told that its log moved.

    :ivar way: one of :data:`WAYS`.
    """

    way: str = "none"
    signal: str = ""
    pid_file: str = ""
    unit: str = ""
    process: str = ""
    user: str = ""
    command: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Who is told, for people."""
        if self.way == "pm2":
            return f"PM2 of user {self.user}" if self.user else "PM2"
        if self.way == "command":
            return f"the command {plain(self.command[0], 100)}"
        place = self.pid_file or self.unit or f"the process {self.process!r}"
        return "nobody" if self.way == "none" else f"{plain(place, 150)} ({self.signal})"


@dataclass(frozen=True)
class Group:
    """Logs that are rotated alike.

    :ivar max_bytes: a log that is larger is due however young its newest archive is; 0 switches this off.
    :ivar keep: archives of each log; 0 keeps all. Days and bytes are 0 where they do not matter.
    """

    name: str
    paths: tuple[str, ...]
    keep: int
    max_age_days: float
    max_total_bytes: int
    min_bytes: int
    max_bytes: int
    min_age_hours: float
    compress: str
    method: str
    reopen: Reopen


def read_groups(params: Mapping[str, Any]) -> list[Group]:
    """Return the groups that the options of the module describe.

    :raises UpkeepError: naming the option, what was given and what is accepted.
    """
    shared = {key: params.get(key) for key in (*DEFAULTS, "reopen")}
    own: list[tuple[str, Mapping[str, Any]]] = [("", {"paths": params["paths"]})] if params.get("paths") else []
    own += [(f"groups[{index}].", group) for index, group in enumerate(params.get("groups") or [])]
    if not own:
        raise UpkeepError("no log is named; give paths or groups")
    return [
        _group(place, {**shared, **{key: value for key, value in given.items() if value is not None}}) for place, given in own
    ]


def _group(place: str, given: Mapping[str, Any]) -> Group:
    for path in given["paths"]:
        if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise UpkeepError(f"{place}paths: {path!r} is not accepted; give an absolute path without '..', wildcards allowed")
    if not given["paths"]:
        raise UpkeepError(f"{place}paths is empty; give at least one path")
    numbers = {key: given[key] or 0 for key in ("keep", "max_age_days", "max_total_bytes", "min_bytes", "max_bytes", "min_age_hours")}
    for key, number in numbers.items():
        if not 0 <= number < float("inf"):
            raise UpkeepError(f"{place}{key}: {number} is not accepted; give 0 or more")
    if numbers["max_bytes"] and numbers["max_bytes"] < numbers["min_bytes"]:
        raise UpkeepError(f"{place}max_bytes is {numbers['max_bytes']}, below min_bytes, which is {numbers['min_bytes']}")
    numbers["min_bytes"] = max(1, numbers["min_bytes"])  # an empty log has nothing to keep
    return Group(
        given.get("name") or "", tuple(given["paths"]), compress=given["compress"], method=given["method"],
        reopen=_reopen(place, given.get("reopen") or {}, given["method"]), **numbers,
    )


def _reopen(place: str, given: Mapping[str, Any], method: str) -> Reopen:
    """Return how the writer is told; exactly one way, and a signal with exactly one to send it to."""
    said = {key: value for key, value in given.items() if value}
    ways = [way for way in WAYS if said.get(way)]
    if len(ways) > 1 or (said and not ways):
        raise UpkeepError(f"{place}reopen: give exactly one of {', '.join(WAYS)}")
    targets = [key for key in ("pid_file", "unit", "process") if said.get(key)]
    if ways == ["signal"] and len(targets) != 1:
        raise UpkeepError(f"{place}reopen: a signal needs exactly one of pid_file, unit, process to send it to")
    try:
        re.compile(said.get("process", ""))
    except re.error as exc:
        raise UpkeepError(f"{place}reopen.process is {said['process']!r}, which is no regular expression: {exc}") from None
    if ways != ["signal"] and targets:
        raise UpkeepError(f"{place}reopen.{targets[0]} is only for a signal; give reopen.signal as well")
    if method == "copytruncate" and ways not in ([], ["none"]):
        raise UpkeepError(f"{place}reopen: with copytruncate the writer keeps its file and is told nothing; leave reopen out")
    return Reopen(
        ways[0] if ways else "none", said.get("signal", ""), said.get("pid_file", ""), said.get("unit", ""),
        said.get("process", ""), said.get("user", ""), tuple(said.get("command", ())),
    )


def why_not_due(group: Group, size: int, newest: datetime | None, now: datetime) -> str:
    """Return why a log is not rotated now, as the end of a sentence; empty when it is due.

    :param size: bytes of the log.
    :param newest: when its newest own archive was made.
    """
    if size < group.min_bytes:
        return "is empty" if size == 0 else f"holds {size} bytes, fewer than the {group.min_bytes} that make it due"
    if group.max_bytes and size > group.max_bytes:
        return ""
    if newest is None or _of_the_future(newest, now):
        return ""
    hours = max(0.0, (now - newest).total_seconds() / 3600)
    if hours >= group.min_age_hours:
        return ""
    return f"was rotated {duration_text(hours * 3600)} ago and is due {group.min_age_hours:g} hours after that"


def newest_stamp(archives: Sequence[tuple[Archive, int]], now: datetime) -> datetime | None:
    """Return when the newest archive was made; those of the future say nothing, or a log would be due in every run."""
    stamps = [archive.rotated for archive, _size in archives]
    return max((stamp for stamp in stamps if not _of_the_future(stamp, now)), default=None)


def _of_the_future(stamp: datetime, now: datetime) -> bool:
    return stamp > now + CLOCK_SLACK


def surplus(
    group: Group, archives: Sequence[tuple[Archive, int]], now: datetime
) -> list[tuple[Archive, int, str]]:
    """Return the archives of one log that go, with their bytes and the reason; the newest one always stays.

    Archives of the future were made before the clock was put right, so they are older than all others.

    :param archives: finished archives with their bytes.
    """
    newest_first = sorted(
        archives, key=lambda item: (not _of_the_future(item[0].rotated, now), item[0].stamp, item[0].name), reverse=True
    )
    gone, total = [], 0
    for position, (archive, size) in enumerate(newest_first):
        total += size
        days = (now - archive.rotated).total_seconds() / 86400
        reason = ""
        if group.keep and position >= group.keep:
            reason = f"{group.keep} newer ones are kept"
        elif group.max_age_days and days > group.max_age_days:
            reason = f"it is {days:.1f} days old, more than {group.max_age_days:g}"
        elif group.max_total_bytes and total > group.max_total_bytes:
            reason = f"with it the archives would hold {total} bytes, more than {group.max_total_bytes}"
        if reason and position:
            gone.append((archive, size, reason))
            total -= size
    return gone
