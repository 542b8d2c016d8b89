# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memory, swap and processes killed for want of memory."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import share
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import Unmeasurable


def parse_meminfo(text: str) -> dict[str, int]:
    """Return ``/proc/meminfo`` in bytes; lines that are no size are left out."""
    sizes = {}
    for line in text.splitlines():
        name, separator, rest = line.partition(":")
        words = rest.split()
        if separator and len(words) == 2 and words[1] == "kB" and words[0].isdigit():
            sizes[name] = int(words[0]) * 1024
    return sizes


def memory_metrics(meminfo: str) -> dict[str, Any]:
    """Return the memory of the host; what is used is what new work could not have (MemAvailable, not MemFree).

    :raises Unmeasurable: when the text lacks the figures.
    """
    sizes = parse_meminfo(meminfo)
    try:
        total, available = sizes["MemTotal"], sizes["MemAvailable"]
    except KeyError as exc:
        raise Unmeasurable(f"/proc/meminfo has no line {exc.args[0]}") from exc
    return {
        "scope": "host",
        "total_bytes": total,
        "available_bytes": available,
        "used_bytes": total - available,
        "used_percent": share(total - available, total),
        "free_bytes": sizes.get("MemFree"),
        "buffers_bytes": sizes.get("Buffers"),
        "cached_bytes": sizes.get("Cached"),
        "shared_bytes": sizes.get("Shmem"),
        "slab_reclaimable_bytes": sizes.get("SReclaimable"),
        "dirty_bytes": sizes.get("Dirty"),
    }


def swap_metrics(meminfo: str) -> dict[str, Any]:
    """Return the swap of the host; a host without swap has a total of 0.

    :raises Unmeasurable: when the text lacks the figures.
    """
    sizes = parse_meminfo(meminfo)
    try:
        total, free = sizes["SwapTotal"], sizes["SwapFree"]
    except KeyError as exc:
        raise Unmeasurable(f"/proc/meminfo has no line {exc.args[0]}") from exc
    return {"total_bytes": total, "used_bytes": total - free, "used_percent": share(total - free, total)}


def counter(text: str, name: str, source: str) -> int:
    """Return the counter ``name`` of a text of lines ``name number`` (``/proc/vmstat``, ``memory.events``).

    :raises Unmeasurable: when ``source`` does not count it.
    """
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    raise Unmeasurable(f"{source} does not count {name}")
