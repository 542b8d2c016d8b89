# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of figures that every host has one of: a table of what is compared with which threshold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, grade
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import number_text, thresholds_text
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import DEFAULTS, Limits

MAX_EVIDENCE_PROCESSES = 5

_BUSY = "Look at the processes in the report; a short peak is ordinary: measure longer with resources_sample_seconds."
_LOADED = "Look at the processes in the report: stop what should not run here, or give the host more processors."
_CROWDED = "Look at the processes in the report: restart or limit the one that grows, or give the host more memory."
_STORAGE = "Find who reads and writes with: iotop -oPa, or pidstat -d 5 1."


@dataclass(frozen=True)
class Gauge:
    """One figure and how it is told.

    :ivar source: the key of the metrics.
    :ivar key: the figure in there.
    :ivar resource: the thresholds that apply.
    :ivar sentence: what is said of the figure, with ``{figure}`` and keys of the source.
    :ivar optional: many hosts do not have it: then it is left out unless it is required.
    :ivar culprits: which processes are evidence: those that use most ``cpu`` or ``memory``, or none.
    """

    check: str
    subject: str
    source: str
    key: str
    resource: str
    sentence: str
    hint: str
    optional: bool = False
    culprits: str = ""


GAUGES = (
    Gauge("cpu.usage", "cpu", "cpu", "usage_percent", "cpu", "The processors are {figure} busy", _BUSY, culprits="cpu"),
    Gauge(
        "cpu.iowait", "cpu", "cpu", "iowait_percent", "iowait",
        "The processors spend {figure} of their time idle because storage is slow", _STORAGE,
    ),
    Gauge(
        "cpu.steal", "cpu", "cpu", "steal_percent", "steal",
        "The hypervisor gives {figure} of the time of the processors to other machines",
        "The machine under this one is crowded: ask its operator, or move or enlarge this one.",
    ),
    Gauge(
        "cpu.pressure", "cpu", "cpu_pressure", "graded_percent", "cpu_pressure",
        "In {figure} of the last minute some work waited for a processor", _LOADED, optional=True, culprits="cpu",
    ),
    Gauge(
        "load.per_core", "load", "load", "per_core", "load",
        "The load of the last five minutes is {figure} for each of {cores} cores", _LOADED, culprits="cpu",
    ),
    Gauge(
        "memory.usage", "memory", "memory", "used_percent", "memory", "Memory is {figure} used", _CROWDED,
        culprits="memory",
    ),
    Gauge(
        "memory.pressure", "memory", "memory_pressure", "graded_percent", "memory_pressure",
        "In {figure} of the last minute all work stood still for want of memory", _CROWDED, optional=True,
        culprits="memory",
    ),
    Gauge("swap.usage", "swap", "swap", "used_percent", "swap", "Swap is {figure} used", _CROWDED, culprits="memory"),
    Gauge(
        "io.pressure", "storage", "io_pressure", "graded_percent", "io_pressure",
        "In {figure} of the last minute all work stood still waiting for storage", _STORAGE, optional=True,
    ),
    Gauge(
        "network.conntrack", "conntrack", "conntrack", "used_percent", "conntrack",
        "The table of tracked connections is {figure} full",
        "Raise net.netfilter.nf_conntrack_max, or find who opens so many connections with: conntrack -S, ss -s.",
        optional=True,
    ),
    Gauge(
        "files.handles", "file handles", "files", "used_percent", "files", "{figure} of all file handles are open",
        "Raise fs.file-max, or find the process that leaks files: ls /proc/<pid>/fd | wc -l.",
    ),
)

#: What may be listed as required: the checks that many hosts cannot make, or not wholly.
REQUIRABLE = (*(gauge.check for gauge in GAUGES if gauge.optional), "restart.required")


def gauge_checks(
    metrics: Mapping[str, Any],
    unavailable: Mapping[str, str],
    top_processes: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Limits],
    required: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return the checks of :data:`GAUGES`.

    :param required: optional checks that must be made: they are unknown where they cannot be.
    """
    checks = []
    for gauge in GAUGES:
        if metrics[gauge.source] is not None:
            checks.append(_graded(gauge, metrics[gauge.source], top_processes, limits[gauge.resource]))
        elif not gauge.optional or gauge.check in required:
            hint = "Leave it out of required where hosts cannot have it." if gauge.optional else ""
            checks.append(not_measured(gauge.check, gauge.subject, unavailable[gauge.source], hint))
    return checks


def not_measured(check: str, subject: str, reason: str, hint: str = "") -> dict[str, Any]:
    """Return the check result of what could not be measured."""
    return check_result(
        check, subject, UNKNOWN, f"{subject} could not be checked: {reason}.",
        hint=hint or "Run the task on a Linux host with /proc mounted, as a user who may read it.",
    )


def culprits(top_processes: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any]:
    """Return the processes that use most, as evidence.

    :param kind: ``cpu`` or ``memory``.
    """
    figure = "cpu_percent" if kind == "cpu" else "rss_bytes"
    listed = sorted((row for row in top_processes if kind in row["top_by"]), key=lambda row: -row[figure])
    return {
        "top_processes": [
            {key: row[key] for key in ("pid", "name", "user", "unit", "state", figure)}
            for row in listed[:MAX_EVIDENCE_PROCESSES]
        ]
    }


def _graded(
    gauge: Gauge, source: Mapping[str, Any], top_processes: Sequence[Mapping[str, Any]], limits: Limits
) -> dict[str, Any]:
    value, unit = source[gauge.key], DEFAULTS[gauge.resource].unit
    status = grade(value, limits.warning, limits.critical)
    figure = f"{number_text(value)} %" if unit == "percent" else number_text(value)
    sentence = gauge.sentence.format(**{**source, "figure": figure})
    summary = f"{sentence} {thresholds_text(limits.warning, limits.critical, unit)}{_more(gauge.check, source)}."
    if gauge.check == "swap.usage" and not source["total_bytes"]:
        summary = "No swap is configured, so none can fill up."
    bad = status != OK
    return check_result(
        gauge.check, gauge.subject, status, summary, value=value, unit=unit,
        warning=limits.warning, critical=limits.critical, hint=gauge.hint if bad else None,
        evidence=culprits(top_processes, gauge.culprits) if bad and gauge.culprits and top_processes else None,
    )


def _more(check: str, source: Mapping[str, Any]) -> str:
    """Return the figure in absolute numbers, for the checks where that says more than a percentage."""
    if check == "memory.usage":
        whose = " that this container may use" if source["scope"] == "cgroup" else ""
        return f"; {bytes_text(source['available_bytes'])} of {bytes_text(source['total_bytes'])}{whose} are available"
    if check == "swap.usage":
        return f"; {bytes_text(source['used_bytes'])} of {bytes_text(source['total_bytes'])}"
    if check == "network.conntrack":
        return f"; {source['count']} of {source['max']} connections"
    if check == "cpu.usage" and source["scope"] == "cgroup":
        return f"; this container may use {number_text(source['limit_cores'])} of {source['cores']} cores"
    return ""
