# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the inspection of a host's resources, from options to results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.gauges import gauge_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.judging import (
    file_system_checks,
    interface_checks,
    listener_checks,
    oom_check,
    restart_checks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.measuring import Measurement, measure_host
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.remembering import (
    FigureHistory,
    count_since_last_run,
    kept_figures,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import (
    Limits,
    PathRule,
    read_paths,
    read_thresholds,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

#: Accepted range of each option that is a number.
RANGES = {"sample_seconds": (0.1, 60), "timeout_seconds": (0.1, 60), "top_processes": (0, 50)}


def inspect_resources(
    options: Mapping[str, Any], *, now: datetime, check_mode: bool, files: HostFiles | None = None
) -> dict[str, Any]:
    """Measure the host, compare with the thresholds and the past, and return what the module returns.

    :param options: the options of the module ``resource_metrics``.
    :param now: the moment of the measurement.
    :param check_mode: leave the history as it is.
    :param files: the host; this one when None.
    :raises UpkeepError: naming the option that is not accepted.
    """
    limits = read_thresholds(options["thresholds"])
    rules = read_paths(options["paths"], limits)
    refuse_out_of_range(options, RANGES)
    found = measure_host(
        files or HostFiles(),
        sample_seconds=options["sample_seconds"],
        paths=[rule.path for rule in rules],
        timeout_seconds=options["timeout_seconds"],
        top_count=options["top_processes"],
        interfaces_ignored=options["interfaces_ignored"],
    )
    with FigureHistory.opened(options["history"], now=now, read_only=check_mode) as past:
        checks = _checks(found, limits, rules, past, options)
        figures = kept_figures(found.metrics)
        series = past.series(figures)
        past.keep(figures, checks)
        checks += past.checks()
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=options["return_all"]),
        "metrics": {"measured": to_iso(now), **found.metrics, "unavailable": found.unavailable},
        "top_processes": found.top_processes,
        "series": series,
    }


def _checks(
    found: Measurement,
    limits: Mapping[str, Limits],
    rules: list[PathRule],
    past: FigureHistory,
    options: Mapping[str, Any],
) -> list[dict[str, Any]]:
    metrics, unavailable, required = found.metrics, found.unavailable, options["required"]
    last_runs = count_since_last_run(metrics, past)
    return [
        *gauge_checks(metrics, unavailable, found.top_processes, limits, required),
        *file_system_checks(metrics["file_systems"], rules),
        *interface_checks(metrics["interfaces"], unavailable, limits),
        oom_check(
            metrics,
            unavailable,
            limits["oom_kills"],
            last_run=last_runs["oom_kills"],
            now=past.now,
            top_processes=found.top_processes,
        ),
        *listener_checks(metrics, unavailable, limits, last_runs=last_runs, now=past.now),
        *restart_checks(metrics["restart"], required, found.unseen),
    ]
