# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The limits of the container that the measurement runs in (control groups, version 2).

Only limits at the root of the visible hierarchy count: they exist in a container with a cgroup name space, and never on
a host, whose root group has no limits. The group of a login session says nothing about the host.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import share
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.memory import counter

ROOT = "/sys/fs/cgroup"


def in_container_group(files: HostFiles) -> bool:
    """Return whether the root of the visible hierarchy is the group of a container."""
    return files.exists(f"{ROOT}/cgroup.type") and files.exists(f"{ROOT}/memory.current")


def read_limit(files: HostFiles, name: str) -> int | None:
    """Return a limit in bytes, or None when there is none."""
    text = (files.read_if_present(f"{ROOT}/{name}") or "").strip()
    return int(text) if text.isdigit() else None


def core_limit(files: HostFiles) -> float | None:
    """Return how many processors the container may use at once, or None when it has no such limit."""
    words = (files.read_if_present(f"{ROOT}/cpu.max") or "").split()
    if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


def cpu_microseconds(files: HostFiles) -> dict[str, int] | None:
    """Return the processor time the container has used since it began, or None when that is not counted."""
    text = files.read_if_present(f"{ROOT}/cpu.stat")
    try:
        return {name: counter(text or "", f"{name}_usec", "cpu.stat") for name in ("usage", "user", "system")}
    except Unmeasurable:
        return None


def limited_cpu_metrics(
    host: dict[str, Any], before: dict[str, int], after: dict[str, int], limit: float, seconds: float
) -> dict[str, Any]:
    """Return ``host`` with usage, user and system time as the share of what the container may use.

    Waiting and stolen time stay those of the host: the kernel does not count them by group.
    """
    allowed = limit * seconds * 1_000_000
    own = {f"{name}_percent": share(after[name] - before[name], allowed) for name in after}
    return {**host, **own, "scope": "cgroup", "limit_cores": round(limit, 2)}


def limited_memory_metrics(files: HostFiles, host: dict[str, Any]) -> dict[str, Any]:
    """Return ``host`` narrowed to the container's limit when it has one that is smaller than the host.

    File cache that the kernel can drop at once (inactive_file) does not count as used.
    """
    limit = read_limit(files, "memory.max")
    current = read_limit(files, "memory.current")
    if limit is None or current is None or limit >= host["total_bytes"]:
        return host
    try:
        cache = counter(files.read_if_present(f"{ROOT}/memory.stat") or "", "inactive_file", "memory.stat")
    except Unmeasurable:
        cache = 0
    available = max(0, min(limit - current + cache, host["available_bytes"]))
    return {
        **dict.fromkeys(host),
        "scope": "cgroup",
        "total_bytes": limit,
        "available_bytes": available,
        "used_bytes": limit - available,
        "used_percent": share(limit - available, limit),
    }


def limited_swap_metrics(files: HostFiles, host: dict[str, Any]) -> dict[str, Any]:
    """Return ``host`` narrowed to the container's limit of swap when it has one that is smaller."""
    limit = read_limit(files, "memory.swap.max")
    current = read_limit(files, "memory.swap.current")
    if limit is None or current is None or limit >= host["total_bytes"]:
        return host
    return {"total_bytes": limit, "used_bytes": current, "used_percent": share(current, limit)}
