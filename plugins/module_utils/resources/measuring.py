# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes every measurement of one call: two samples with a pause between them, and what needs one look only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import STUCK, Process, Unseen, read_processes
from ansible_collections.upkeep.runbook.plugins.module_utils.resources import cgroups, network, pressure
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.cpu import (
    cpu_metrics,
    load_metrics,
    parse_cpu_times,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.filesystems import file_system_rows
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.memory import (
    counter,
    memory_metrics,
    swap_metrics,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.path_probe import look_at, probe_paths
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.processes import process_counts, top_processes
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.restarts import host_restart, processes_restart


@dataclass(frozen=True)
class Sample:
    """What is read twice; ``at`` is a monotonic time in seconds, a text is None when it cannot be read."""

    at: float
    stat: str | None
    interfaces: str | None
    cgroup_cpu: dict[str, int] | None
    processes: Sequence[Process]
    unseen: Unseen | None


@dataclass
class Measurement:
    """What was measured.

    :ivar metrics: every figure, ready for JSON; None where there is none.
    :ivar unavailable: why, for each key of ``metrics`` that is None.
    :ivar top_processes: the processes that used most in the sample.
    :ivar unseen: why the processes could not be seen, or None.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    top_processes: list[dict[str, Any]] = field(default_factory=list)
    unseen: Unseen | None = None

    def take(self, name: str, measure: Callable[[], Any]) -> None:
        """Store what ``measure`` returns as ``name``, or None and the reason."""
        try:
            self.metrics[name] = measure()
        except Unmeasurable as exc:
            self.metrics[name] = None
            self.unavailable[name] = str(exc)


def measure_host(
    files: HostFiles,
    *,
    sample_seconds: float,
    paths: Sequence[str],
    timeout_seconds: float,
    top_count: int,
    interfaces_ignored: Sequence[str],
    sleep: Callable[[float], None] = time.sleep,
) -> Measurement:
    """Measure everything.

    The slow looks (file systems, libraries) lie outside the sampled time, so that the measurement does not measure
    itself.

    :param sample_seconds: the pause between the two samples.
    :param paths: absolute paths whose file systems are looked at.
    :param timeout_seconds: how long a file system may take to answer.
    :param top_count: how many processes to list by processor time and by memory.
    :param interfaces_ignored: shell patterns of network interfaces to leave out.
    """
    before = _sample(files, processes_first=True)
    sleep(sample_seconds)
    after = _sample(files, processes_first=False)
    seconds = after.at - before.at
    in_cgroup = cgroups.in_container_group(files)
    found = Measurement(unseen=before.unseen or after.unseen)
    found.metrics["sample_seconds"] = round(seconds, 3)
    found.take("uptime_seconds", lambda: _uptime(files))
    found.take("cpu", lambda: _cpu(files, before, after, in_cgroup=in_cgroup))
    found.take("load", lambda: load_metrics(files.read("/proc/loadavg"), _cores(after)))
    found.take("memory", lambda: _memory(files, in_cgroup=in_cgroup))
    found.take("swap", lambda: _swap(files, in_cgroup=in_cgroup))
    found.take("oom_kills", lambda: _oom_kills(files, in_cgroup=in_cgroup))
    for resource in pressure.RESOURCES:
        found.take(f"{resource}_pressure", lambda: pressure.pressure_metrics(files, resource, in_cgroup=in_cgroup))
    found.take("interfaces", lambda: _interfaces(before, after, interfaces_ignored))
    found.take("tcp_states", lambda: network.tcp_metrics(files))
    found.take("conntrack", lambda: network.conntrack_metrics(files))
    found.take("listen_drops", lambda: network.listen_drop_metrics(files))
    found.take("syn_flood", lambda: network.syn_flood_metrics(files))
    found.take("files", lambda: network.file_handle_metrics(files.read("/proc/sys/fs/file-nr")))
    found.take("processes", lambda: _process_counts(found.unseen, after))
    if found.unseen is None:
        found.top_processes = top_processes(before.processes, after.processes, seconds=seconds, count=top_count)
    found.metrics["file_systems"] = file_system_rows(
        paths,
        probe_paths(
            paths,
            timeout_seconds=timeout_seconds,
            stuck={process.name for process in after.processes if process.state == STUCK},
            look=lambda path: look_at(files.located(path)),
        ),
        files.read_if_present("/proc/self/mountinfo") or "",
    )
    found.metrics["restart"] = {**host_restart(files), **processes_restart(files, after.processes)}
    return found


def _sample(files: HostFiles, *, processes_first: bool) -> Sample:
    """Read once; reading the processes takes longest and lies outside the time between the two other readings."""
    processes, unseen = _processes() if processes_first else ([], None)
    at = time.monotonic()
    stat = files.read_if_present("/proc/stat")
    interfaces = files.read_if_present("/proc/net/dev")
    cgroup_cpu = cgroups.cpu_microseconds(files)
    if not processes_first:
        processes, unseen = _processes()
    return Sample(at, stat, interfaces, cgroup_cpu, processes, unseen)


def _processes() -> tuple[list[Process], Unseen | None]:
    try:
        return read_processes(), None
    except Unseen as problem:
        return [], problem


def _process_counts(unseen: Unseen | None, sample: Sample) -> dict[str, Any]:
    if unseen is not None:
        raise Unmeasurable(str(unseen))
    return process_counts(sample.processes)


def _cpu(files: HostFiles, before: Sample, after: Sample, *, in_cgroup: bool) -> dict[str, Any]:
    if before.stat is None or after.stat is None:
        raise Unmeasurable("/proc/stat cannot be read")
    metrics = {"scope": "host", "limit_cores": None, **cpu_metrics(before.stat, after.stat)}
    limit = cgroups.core_limit(files) if in_cgroup else None
    if limit is None or limit >= metrics["cores"] or before.cgroup_cpu is None or after.cgroup_cpu is None:
        return metrics
    return cgroups.limited_cpu_metrics(metrics, before.cgroup_cpu, after.cgroup_cpu, limit, after.at - before.at)


def _cores(sample: Sample) -> int:
    """Return the processors of the host: load averages count the whole host, also in a container."""
    return max(1, len(parse_cpu_times(sample.stat or "")) - 1)


def _memory(files: HostFiles, *, in_cgroup: bool) -> dict[str, Any]:
    host = memory_metrics(files.read("/proc/meminfo"))
    return cgroups.limited_memory_metrics(files, host) if in_cgroup else host


def _swap(files: HostFiles, *, in_cgroup: bool) -> dict[str, Any]:
    host = swap_metrics(files.read("/proc/meminfo"))
    return cgroups.limited_swap_metrics(files, host) if in_cgroup else host


def _oom_kills(files: HostFiles, *, in_cgroup: bool) -> dict[str, Any]:
    own = files.read_if_present(f"{cgroups.ROOT}/memory.events") if in_cgroup else None
    if own is not None:
        return {"scope": "cgroup", "since_boot": counter(own, "oom_kill", "memory.events")}
    return {"scope": "host", "since_boot": counter(files.read("/proc/vmstat"), "oom_kill", "/proc/vmstat")}


def _interfaces(before: Sample, after: Sample, ignored: Sequence[str]) -> list[dict[str, Any]]:
    if before.interfaces is None or after.interfaces is None:
        raise Unmeasurable("/proc/net/dev cannot be read")
    return network.interface_metrics(before.interfaces, after.interfaces, after.at - before.at, ignored)


def _uptime(files: HostFiles) -> float:
    try:
        return float(files.read("/proc/uptime").split()[0])
    except (ValueError, IndexError) as exc:
        raise Unmeasurable("/proc/uptime holds no number of seconds") from exc
