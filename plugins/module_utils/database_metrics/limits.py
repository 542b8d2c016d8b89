# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The thresholds of the figures of databases: their names, units, defaults, and the rule that warning comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


class Default(NamedTuple):
    """The default thresholds of one figure; 0 means that there is none."""

    warning: float
    critical: float
    unit: str


class Limits(NamedTuple):
    """Where a figure becomes a warning and where critical; None switches a threshold off."""

    warning: float | None
    critical: float | None
    unit: str


#: The options are named ``<figure>_warning_<unit>`` and ``<figure>_critical_<unit>``. What depends on what a server is for,
#: such as the hits of a cache, is off or only warns.
DEFAULTS: Mapping[str, Default] = {
    "connections": Default(80, 95, "percent"),
    "cache_hits": Default(80, 0, "percent"),
    "redis_hits": Default(0, 0, "percent"),
    "rollbacks": Default(20, 0, "percent"),
    "deadlocks": Default(1, 0, "count"),
    "temporary_files": Default(10 * 1024**2, 0, "bytes_per_second"),
    "queries": Default(300, 3600, "seconds"),
    "transactions": Default(900, 14_400, "seconds"),
    "idle_transactions": Default(300, 3600, "seconds"),
    "lock_waits": Default(30, 300, "seconds"),
    "dead_rows": Default(40, 0, "percent"),
    "bloat": Default(60, 0, "percent"),
    "transaction_ids": Default(25, 50, "percent"),
    "replication_lag": Default(60, 600, "seconds"),
    "replication_backlog": Default(256 * 1024**2, 0, "bytes"),
    "replication_slots": Default(1024**3, 10 * 1024**3, "bytes"),
    "slow_statements": Default(0, 0, "seconds"),
    "slow_queries": Default(1, 0, "percent"),
    "aborted_connections": Default(10, 0, "percent"),
    "memory": Default(85, 95, "percent"),
    "evictions": Default(10, 0, "per_second"),
    "fragmentation": Default(1.5, 0, "ratio"),
    "blocked_clients": Default(0, 0, "count"),
    "rejected_connections": Default(1, 0, "count"),
    "save_age": Default(86_400, 0, "seconds"),
}

#: Figures of which less is worse.
LESS_IS_WORSE = frozenset({"cache_hits", "redis_hits"})


def option_name(figure: str, level: str) -> str:
    """Return the option of ``figure`` for ``level`` (``warning`` or ``critical``), with its unit."""
    return f"{figure}_{level}_{DEFAULTS[figure].unit}"


def threshold_options() -> dict[str, dict[str, Any]]:
    """Return the argument spec of the suboptions of ``thresholds``."""
    return {
        option_name(figure, level): {"type": "float", "default": float(getattr(default, level))}
        for figure, default in DEFAULTS.items()
        for level in ("warning", "critical")
    }


def read_limits(given: Mapping[str, Any] | None) -> dict[str, Limits]:
    """Return the limits of every figure.

    :param given: the option ``thresholds``; a suboption that is missing or None has its default.
    :raises UpkeepError: naming the suboption, what was given and what is accepted.
    """
    options = given or {}
    return {figure: _limits(figure, default, options) for figure, default in DEFAULTS.items()}


def _limits(figure: str, default: Default, options: Mapping[str, Any]) -> Limits:
    names = [option_name(figure, level) for level in ("warning", "critical")]
    values = [number if options.get(name) is None else float(options[name]) for name, number in zip(names, default[:2])]
    most = 100.0 if default.unit == "percent" else 1e18
    for name, value in zip(names, values):
        if not 0 <= value <= most:
            raise UpkeepError(f"thresholds.{name}: {value:g} is not accepted; give 0 to {most:g} (0 switches the threshold off).")
    warning, critical = (value or None for value in values)
    if warning is not None and critical is not None and (critical > warning if figure in LESS_IS_WORSE else warning > critical):
        order = "below" if figure in LESS_IS_WORSE else "above"
        raise UpkeepError(f"thresholds.{names[0]}: {warning:g} is {order} thresholds.{names[1]}, which is {critical:g}; warning comes first.")
    return Limits(warning, critical, default.unit)
