# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of a scan: groups of logs, patterns, what is ignored, and thresholds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.expressions import Expression, read_expression
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import end_of, from_iso

BEGINNING, END = "beginning", "end"
KERNEL, SYSTEMD = "kernel", "systemd"
_DURATION = re.compile(r"(\d{1,6})\s*(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_NAME = re.compile(r"[^/\x00-\x1f]{1,100}")
#: What journalctl takes as an option is no unit or identifier.
_JOURNAL_NAME = re.compile(r"[A-Za-z0-9_.:@\\*?/][A-Za-z0-9_.:@\\*?/ -]{0,199}")
_PRIORITY = re.compile(r"(?:[0-7]|emerg|alert|crit|err|warning|notice|info|debug)")
_RANGES = {
    "baseline_factor": (1, 1000), "baseline_runs": (2, 1000), "max_matches": (0, 1000), "max_new_signatures": (1, 1000),
    "timeout_seconds": (1, 86400), "unused_days": (1, 3650),
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Counts and rates per minute from which something is a warning or critical; None: never."""

    warning_count: int | None = None
    critical_count: int | None = None
    warning_per_minute: float | None = None
    critical_per_minute: float | None = None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return any(limit is not None for limit in (*self.counts, *self.rates))

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """The counts for warning and critical."""
        return self.warning_count, self.critical_count

    @property
    def rates(self) -> tuple[float | None, float | None]:
        """The rates for warning and critical."""
        return self.warning_per_minute, self.critical_per_minute


@dataclass(frozen=True)
class Journal:
    """Which entries of the system's journal are read.

    :ivar sources: only what these wrote, KERNEL and SYSTEMD, which nobody else can say of himself. Then no units and identifiers.
    :ivar reach: whether to tell how far back the journal reaches.
    """

    units: tuple[str, ...]
    identifiers: tuple[str, ...]
    priority: str
    sources: tuple[str, ...] = ()
    reach: bool = False


@dataclass(frozen=True)
class Group:
    """Logs that are looked at together.

    :ivar levels: whether lines are judged by their level.
    """

    name: str
    paths: tuple[str, ...]
    journal: Journal | None
    levels: bool
    limits: Limits


@dataclass(frozen=True)
class Pattern:
    """A named expression that is counted.

    :ivar severity: the status when it is found and has no limits; ``info`` only counts.
    :ivar groups: where it is looked for; empty: everywhere.
    """

    name: str
    expression: Expression
    severity: str
    limits: Limits
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Ignore:
    """Lines that somebody decided to live with, until a moment."""

    expression: Expression
    reason: str
    expires: datetime
    groups: tuple[str, ...]

    @property
    def subject(self) -> str:
        """What identifies it to people."""
        where = f" in {', '.join(self.groups)}" if self.groups else ""
        return f"{self.expression.text}{where}"


@dataclass(frozen=True)
class Options:
    """The options of one call.

    :ivar since: where a first look begins: a moment, BEGINNING or END.
    """

    groups: tuple[Group, ...]
    patterns: tuple[Pattern, ...]
    ignores: tuple[Ignore, ...]
    since: datetime | str
    cursor: bool
    baseline_factor: float
    baseline_runs: int
    new_signatures: Limits
    max_matches: int
    max_new_signatures: int
    unused_days: int
    timeout_seconds: float


def read_options(params: Mapping[str, Any], now: datetime) -> Options:
    """Return the options.

    :raises UpkeepError: naming the option, what was given and what is accepted.
    """
    refuse_out_of_range(params, _RANGES)
    shared = _limits(params, "")
    groups = tuple(_group(given, f"groups[{index}].", shared) for index, given in enumerate(params["groups"]))
    if not groups:
        raise UpkeepError("groups is empty; name at least one group of logs")
    names = [group.name for group in groups]
    patterns = tuple(_pattern(given, f"patterns[{index}].", names) for index, given in enumerate(params["patterns"]))
    for what, given in (("groups", names), ("patterns", [pattern.name for pattern in patterns])):
        twice = next((name for name in given if given.count(name) > 1), None)
        if twice is not None:
            raise UpkeepError(f"{what}: the name {twice!r} is given twice; what is remembered goes by it")
    new = Limits(params["new_signatures_warning"] or None, params["new_signatures_critical"] or None)
    _refuse_contrary(new.counts, "new_signatures_warning", "new_signatures_critical")
    return Options(
        groups, patterns, tuple(_ignore(given, f"ignore[{index}].", names) for index, given in enumerate(params["ignore"])),
        _since(params["since"], now), params["cursor"], params["baseline_factor"], params["baseline_runs"], new,
        params["max_matches"], params["max_new_signatures"], params["unused_days"], params["timeout_seconds"],
    )  # fmt: skip


def _group(given: Mapping[str, Any], where: str, shared: Limits) -> Group:
    name, paths, journal = given["name"], given.get("paths") or [], given.get("journal")
    if not _NAME.fullmatch(name):
        raise UpkeepError(f"{where}name: {plain(name, 60)!r} is not accepted; give up to 100 characters without /")
    if bool(paths) == (journal is not None):
        raise UpkeepError(f"{where[:-1]}: give exactly one of paths, journal")
    for path in paths:
        if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise UpkeepError(f"{where}paths: {plain(path, 100)!r} is not accepted; give an absolute path without '..', wildcards allowed")
    own = _limits(given, where)
    limits = Limits(**{name: vars(shared)[name] if value is None else value for name, value in vars(own).items()})
    _refuse_contrary_limits(limits, where)
    levels = given.get("levels")
    return Group(name, tuple(paths), _journal(journal, where) if journal is not None else None, levels is not False, limits)


def _journal(given: Mapping[str, Any], where: str) -> Journal:
    units, identifiers = tuple(given.get("units") or ()), tuple(given.get("identifiers") or ())
    for name in (*units, *identifiers):
        if not _JOURNAL_NAME.fullmatch(name):
            raise UpkeepError(f"{where}journal: {plain(name, 60)!r} is no name of a unit or identifier")
    priority = given.get("priority") or ""
    if priority and not _PRIORITY.fullmatch(priority):
        raise UpkeepError(f"{where}journal.priority: {plain(priority, 20)!r} is not accepted; give 0 to 7 or emerg to debug")
    sources = tuple(given.get("sources") or ())
    if sources and (units or identifiers):
        raise UpkeepError(f"{where}journal: sources goes with neither units nor identifiers; name another group for these")
    return Journal(units, identifiers, priority, sources, bool(given.get("reach")))


def _pattern(given: Mapping[str, Any], where: str, groups: Sequence[str]) -> Pattern:
    name = given["name"]
    if not _NAME.fullmatch(name):
        raise UpkeepError(f"{where}name: {plain(name, 60)!r} is not accepted; give up to 100 characters without /")
    expression = read_expression(given.get("regex"), given.get("literal"), bool(given.get("ignore_case")), where)
    return Pattern(name, expression, given.get("severity") or "warning", _limits(given, where), _known(given, where, groups))


def _ignore(given: Mapping[str, Any], where: str, groups: Sequence[str]) -> Ignore:
    expression = read_expression(given.get("regex"), given.get("literal"), False, where)
    if not given["reason"].strip():
        raise UpkeepError(f"{where}reason is empty; say why these lines do not matter")
    return Ignore(expression, plain(given["reason"], 300), _end(given["expires"].strip(), where), _known(given, where, groups))


def _known(given: Mapping[str, Any], where: str, groups: Sequence[str]) -> tuple[str, ...]:
    named = tuple(given.get("groups") or ())
    for name in named:
        if name not in groups:
            raise UpkeepError(f"{where}groups: {plain(name, 60)!r} is none of the groups ({plain(', '.join(groups), 200)})")
    return named


def _end(text: str, where: str) -> datetime:
    """Return when an ignore ends; one with a day alone lasts to the end of that day, UTC."""
    try:
        return end_of(text)
    except ValueError:
        raise UpkeepError(
            f"{where}expires: {plain(text, 60)!r} is not accepted; give a day such as 2027-01-31 or a time such as 2027-01-31T12:00:00Z"
        ) from None


def _since(text: str, now: datetime) -> datetime | str:
    if text in (BEGINNING, END):
        return text
    duration = _DURATION.fullmatch(text)
    try:
        return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])}) if duration else from_iso(text)
    except (ValueError, OverflowError):
        raise UpkeepError(
            f"since: {plain(text, 60)!r} is not accepted; give a duration such as 90m, 24h or 7d, a time such as "
            f"2027-01-31T12:00:00Z, {BEGINNING} or {END}"
        ) from None


def _limits(given: Mapping[str, Any], where: str) -> Limits:
    limits = Limits(*(given.get(name) for name in ("warning_count", "critical_count", "warning_per_minute", "critical_per_minute")))
    for name, value in vars(limits).items():
        if value is not None and not 0 <= value < float("inf"):
            raise UpkeepError(f"{where}{name}: {value} is not accepted; give 0 or more (0 switches the threshold off)")
    _refuse_contrary_limits(limits, where)
    return limits


def _refuse_contrary_limits(limits: Limits, where: str) -> None:
    _refuse_contrary(limits.counts, f"{where}warning_count", "critical_count")
    _refuse_contrary(limits.rates, f"{where}warning_per_minute", "critical_per_minute")


def _refuse_contrary(limits: tuple[float | None, float | None], warning: str, critical: str) -> None:
    if limits[0] and limits[1] and limits[0] > limits[1]:
        raise UpkeepError(f"{warning} is {limits[0]:g}, above {critical}, which is {limits[1]:g}")
