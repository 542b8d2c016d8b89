# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the processors did between two readings of ``/proc/stat``, and the load per core.

The counters run since boot: one reading says what the host did since it was started, never what it does now.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import share
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import Unmeasurable

#: The columns that add up to all time; guest time is part of user and nice and must not be counted twice.
FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
MAX_CORES_LISTED = 256

Times = tuple[int, ...]


def parse_cpu_times(text: str) -> dict[str, Times]:
    """Return the ticks of ``cpu`` (all of them) and of each ``cpuN``, in the order of :data:`FIELDS`.

    Kernels before 2.6.11 had fewer columns; those that are missing count 0.

    :raises Unmeasurable: when there is no line of processors.
    """
    times = {}
    for line in text.splitlines():
        name, *columns = line.split()[: len(FIELDS) + 1] or [""]
        if name.startswith("cpu") and (name == "cpu" or name[3:].isdigit()) and all(c.isdigit() for c in columns):
            ticks = [int(column) for column in columns]
            times[name] = tuple(ticks + [0] * (len(FIELDS) - len(ticks)))
    if "cpu" not in times:
        raise Unmeasurable("/proc/stat has no line for the processors")
    return times


def cpu_metrics(before: str, after: str) -> dict[str, Any]:
    """Return the shares in percent of the time between two texts of ``/proc/stat``.

    ``usage_percent`` is all that is neither idle nor waiting for storage: time taken by the hypervisor (steal) is time
    that this host could not have used.

    :raises Unmeasurable: when no time passed between the two, or a text is none of ``/proc/stat``.
    """
    first, second = parse_cpu_times(before), parse_cpu_times(after)
    spent = _spent(first["cpu"], second["cpu"])
    total = sum(spent)
    if total <= 0:
        raise Unmeasurable("the clock of the processors did not advance between the two samples")
    metrics: dict[str, Any] = {f"{name}_percent": share(ticks, total) for name, ticks in zip(FIELDS, spent)}
    metrics["usage_percent"] = _usage(spent)
    cores = sorted((name for name in second if name != "cpu"), key=lambda name: int(name[3:]))
    metrics["cores"] = len(cores) or 1
    metrics["core_usage_percent"] = [
        _usage(_spent(first[name], second[name])) for name in cores[:MAX_CORES_LISTED] if name in first
    ]
    return metrics


def load_metrics(loadavg: str, cores: int) -> dict[str, Any]:
    """Return the load averages and the five-minute one per core.

    :param loadavg: the text of ``/proc/loadavg``.
    :raises Unmeasurable: when the text is something else.
    """
    try:
        one, five, fifteen = (float(word) for word in loadavg.split()[:3])
    except ValueError as exc:
        raise Unmeasurable("/proc/loadavg holds no three load averages") from exc
    return {
        "load_1m": one,
        "load_5m": five,
        "load_15m": fifteen,
        "cores": cores,
        "per_core": round(five / max(1, cores), 2),
    }


def _spent(first: Times, second: Times) -> list[int]:
    # iowait may run backwards, as the kernel's documentation says; such a step is no time at all.
    return [max(0, after - before) for before, after in zip(first, second)]


def _usage(spent: list[int]) -> float:
    by_name = dict(zip(FIELDS, spent))
    return share(sum(spent) - by_name["idle"] - by_name["iowait"], sum(spent))
