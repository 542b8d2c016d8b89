# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The thresholds: their names, units, defaults and accepted ranges, and the rule that warning comes before critical."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import number_text


class Limits(NamedTuple):
    """Where a figure becomes a warning and where critical; None switches a threshold off."""

    warning: float | None
    critical: float | None


class Default(NamedTuple):
    """The default thresholds of one resource; 0 means that there is none."""

    warning: float
    critical: float
    unit: str


#: The options are named ``<resource>_warning_<unit>`` and ``<resource>_critical_<unit>``. What a short sample says of
#: the processors, and that work waits for them, only warns: a host at work is no emergency. Its load over minutes can
#: be one.
DEFAULTS: Mapping[str, Default] = {
    "cpu": Default(80, 0, "percent"),
    "iowait": Default(30, 0, "percent"),
    "steal": Default(10, 0, "percent"),
    "cpu_pressure": Default(80, 0, "percent"),
    "load": Default(2, 4, "per_core"),
    "memory": Default(85, 95, "percent"),
    "memory_pressure": Default(10, 30, "percent"),
    "oom_kills": Default(1, 0, "count"),
    "swap": Default(60, 90, "percent"),
    "disk": Default(85, 95, "percent"),
    "inodes": Default(85, 95, "percent"),
    "io_pressure": Default(30, 60, "percent"),
    "network_errors": Default(1, 100, "per_second"),
    "network_drops": Default(100, 10_000, "per_second"),
    "listen_drops": Default(100, 0, "count"),
    "syn_flood": Default(100, 0, "count"),
    "conntrack": Default(75, 90, "percent"),
    "files": Default(80, 95, "percent"),
}

#: What a path may override: option prefix in ``paths[]``, resource in :data:`DEFAULTS`.
_PATH_OVERRIDES = (("", "disk"), ("inodes_", "inodes"))


@dataclass(frozen=True)
class PathRule:
    """One path whose file system is looked at.

    :ivar path: absolute and normalized.
    :ivar space: thresholds for used bytes, percent.
    :ivar inodes: thresholds for used inodes, percent.
    :ivar min_free_bytes: fewer free bytes than this are critical whatever the percentage; None for no such rule.
    :ivar read_only: the file system is meant to be read-only, so being so is right and being full is no news.
    """

    path: str
    space: Limits
    inodes: Limits
    min_free_bytes: int | None = None
    read_only: bool = False


def option_name(resource: str, level: str) -> str:
    """Return the option of ``resource`` for ``level`` (``warning`` or ``critical``), with its unit."""
    return f"{resource}_{level}_{DEFAULTS[resource].unit}"


def threshold_options() -> dict[str, dict[str, Any]]:
    """Return the argument spec of the suboptions of ``thresholds``."""
    return {
        option_name(resource, level): {"type": "float", "default": float(getattr(default, level))}
        for resource, default in DEFAULTS.items()
        for level in ("warning", "critical")
    }


def read_thresholds(given: Mapping[str, Any] | None) -> dict[str, Limits]:
    """Return the limits of every resource.

    :param given: the option ``thresholds``; a suboption that is missing or None has its default.
    :raises UpkeepError: naming the suboption, what was given and what is accepted.
    """
    options = given or {}
    limits = {}
    for resource, default in DEFAULTS.items():
        names = [option_name(resource, level) for level in ("warning", "critical")]
        values = [
            number if options.get(name) is None else options[name] for name, number in zip(names, default[:2])
        ]
        limits[resource] = _limits(
            [f"thresholds.{name}" for name in names], values, percent=default.unit == "percent"
        )
    return limits


def read_paths(given: Sequence[Mapping[str, Any]], limits: Mapping[str, Limits]) -> list[PathRule]:
    """Return the rule of each path, in the order given; an entry that repeats another one wholly counts once.

    :param given: the option ``paths``.
    :param limits: what :func:`read_thresholds` returned: what a path does not set comes from there.
    :raises UpkeepError: naming index, key and what is accepted.
    """
    rules: dict[str, tuple[int, PathRule]] = {}
    for index, entry in enumerate(given):
        path = str(entry["path"])
        if not path.startswith("/"):
            raise UpkeepError(f"paths[{index}].path: {path!r} is not accepted; give an absolute path, such as /srv.")
        path = "/" + posixpath.normpath(path).lstrip("/")
        own = {resource: _path_limits(index, prefix, entry, limits[resource]) for prefix, resource in _PATH_OVERRIDES}
        free = entry.get("min_free_bytes")
        if free is not None and free < 0:
            raise UpkeepError(f"paths[{index}].min_free_bytes: {free} is not accepted; give 0 bytes or more.")
        rule = PathRule(path, own["disk"], own["inodes"], free or None, bool(entry.get("read_only")))
        first, known = rules.setdefault(path, (index, rule))
        if known != rule:
            raise UpkeepError(
                f"paths[{index}].path: {path} is already paths[{first}], with other values; keep one of the two."
            )
    return [rule for _index, rule in rules.values()]


def _path_limits(index: int, prefix: str, entry: Mapping[str, Any], inherited: Limits) -> Limits:
    names = [f"{prefix}{level}_percent" for level in ("warning", "critical")]
    values = [
        (limit or 0) if entry.get(name) is None else entry[name] for name, limit in zip(names, inherited)
    ]
    return _limits([f"paths[{index}].{name}" for name in names], values, percent=True)


def _limits(names: Sequence[str], values: Sequence[float], *, percent: bool) -> Limits:
    """Check a pair of thresholds; 0 becomes None."""
    for name, value in zip(names, values):
        if percent and not 0 <= value <= 100:
            raise UpkeepError(
                f"{name}: {number_text(value)} is not accepted; give a percentage from 0 to 100"
                " (0 switches the threshold off)."
            )
        if not 0 <= value < float("inf"):
            raise UpkeepError(
                f"{name}: {value} is not accepted; give 0 or a greater number (0 switches the threshold off)."
            )
    warning, critical = (value or None for value in values)
    if warning is not None and critical is not None and warning > critical:
        raise UpkeepError(
            f"{names[0]}: {number_text(warning)} is above {names[1]}, which is {number_text(critical)};"
            f" accepted are 0 to {number_text(critical)} (0 switches the threshold off)."
        )
    return Limits(warning, critical)
