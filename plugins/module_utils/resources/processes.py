# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes that use most: processor time between two samples, resident and proportional memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import (
    Process,
    process_title,
    proportional_bytes,
    unit_of,
    user_name,
)


def cpu_seconds_spent(before: Sequence[Process], after: Sequence[Process]) -> dict[int, float]:
    """Return what each process used between two samples, by pid; one that began in between used all it has."""
    earlier = {(process.pid, process.created): process.cpu_seconds for process in before}
    return {
        process.pid: max(0.0, process.cpu_seconds - earlier.get((process.pid, process.created), 0.0))
        for process in after
    }


def process_counts(processes: Sequence[Process]) -> dict[str, Any]:
    """Return how many processes there are, in all and by their state."""
    states = Counter(process.state for process in processes)
    return {"total": len(processes), "by_state": dict(sorted(states.items()))}


def top_pids(spent: Mapping[int, float], processes: Sequence[Process], count: int) -> list[tuple[int, list[str]]]:
    """Return the pids that used most processor time, then those that hold most memory, with why each is listed."""
    by_cpu = sorted((pid for pid in spent if spent[pid]), key=lambda pid: (-spent[pid], pid))[:count]
    holding = sorted((-process.rss_bytes, process.pid) for process in processes if process.rss_bytes)
    by_memory = [pid for _bytes, pid in holding[:count]]
    return [
        (pid, [word for word, listed in (("cpu", by_cpu), ("memory", by_memory)) if pid in listed])
        for pid in dict.fromkeys(by_cpu + by_memory)
    ]


def top_processes(
    before: Sequence[Process], after: Sequence[Process], *, seconds: float, count: int
) -> list[dict[str, Any]]:
    """Return at most ``count`` processes by processor time and as many by memory.

    :param seconds: the time between the two samples.
    """
    spent = cpu_seconds_spent(before, after)
    by_pid = {process.pid: process for process in after}
    return [
        {
            "pid": pid,
            "user": user_name(by_pid[pid].uid),
            "name": process_title(by_pid[pid].name, by_pid[pid].argv),
            "unit": unit_of(pid),
            "state": by_pid[pid].state,
            "cpu_percent": round(100.0 * spent[pid] / seconds, 1) if seconds > 0 else 0.0,
            "rss_bytes": by_pid[pid].rss_bytes,
            "pss_bytes": proportional_bytes(pid),
            "top_by": reasons,
        }
        for pid, reasons in top_pids(spent, after, count)
    ]
