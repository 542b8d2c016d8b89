# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes that use most: processor time between two samples, resident and proportional memory."""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.memory import parse_meminfo
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_PROCESSES = 50_000

#: What an interpreter runs is told only when it looks like a script: other arguments may be secrets.
_SCRIPT = re.compile(r"[^\s=]+\.(?:[cm]?[jt]s|py|rb|pl|php|sh)$")
_PATH = re.compile(r"/[^\s=]+$")
_INTERPRETERS = re.compile(r"(?:node|nodejs|bun|deno|python|ruby|perl|php|sh|bash|dash|zsh)[\d.]*$")
_UNIT = re.compile(r"[^/]+\.(?:service|scope)$")


class Process(NamedTuple):
    """One line of ``/proc/<pid>/stat``; a pid and the tick of its start are one process, a pid alone is not."""

    pid: int
    started_ticks: int
    name: str
    state: str
    cpu_ticks: int
    rss_pages: int


def parse_process(text: str) -> Process | None:
    """Return the process of a text of ``/proc/<pid>/stat``, or None when it is something else."""
    # The name may hold spaces, parentheses and newlines; nothing after it does.
    front, _parenthesis, back = text.rpartition(")")
    pid, _space, name = front.partition(" (")
    columns = back.split()
    try:
        return Process(
            int(pid), int(columns[19]), name, columns[0], int(columns[11]) + int(columns[12]), max(0, int(columns[21]))
        )
    except (ValueError, IndexError):
        return None


def read_processes(files: HostFiles) -> dict[int, Process]:
    """Return the processes that run now, by pid; those that end while they are read are left out."""
    processes = {}
    for name in [entry for entry in files.names("/proc") if entry.isdigit()][:MAX_PROCESSES]:
        process = parse_process(files.read_if_present(f"/proc/{name}/stat") or "")
        if process:
            processes[process.pid] = process
    return processes


def cpu_ticks_spent(before: Mapping[int, Process], after: Mapping[int, Process]) -> dict[int, int]:
    """Return the ticks each process used between two samples; one that began in between used all it has."""
    spent = {}
    for pid, process in after.items():
        earlier = before.get(pid)
        known = earlier is not None and earlier.started_ticks == process.started_ticks
        spent[pid] = max(0, process.cpu_ticks - (earlier.cpu_ticks if known and earlier else 0))
    return spent


def process_counts(processes: Mapping[int, Process]) -> dict[str, Any]:
    """Return how many processes there are, in all and by the letter of their state."""
    states = Counter(process.state for process in processes.values())
    return {"total": len(processes), "by_state": dict(sorted(states.items()))}


def top_pids(spent: Mapping[int, int], processes: Mapping[int, Process], count: int) -> list[tuple[int, list[str]]]:
    """Return the pids that used most processor time, then those that hold most memory, with why each is listed."""
    by_cpu = sorted((pid for pid in spent if spent[pid]), key=lambda pid: (-spent[pid], pid))[:count]
    by_memory = sorted(
        (pid for pid, process in processes.items() if process.rss_pages),
        key=lambda pid: (-processes[pid].rss_pages, pid),
    )[:count]
    return [
        (pid, [word for word, listed in (("cpu", by_cpu), ("memory", by_memory)) if pid in listed])
        for pid in dict.fromkeys(by_cpu + by_memory)
    ]


def top_processes(
    files: HostFiles, before: Mapping[int, Process], after: Mapping[int, Process], *, seconds: float, count: int
) -> list[dict[str, Any]]:
    """Return at most ``count`` processes by processor time and as many by memory.

    :param seconds: the time between the two samples.
    """
    ticks_a_second, page_bytes = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    spent = cpu_ticks_spent(before, after)
    rows = []
    for pid, reasons in top_pids(spent, after, count):
        process = after[pid]
        rollup = parse_meminfo(files.read_if_present(f"/proc/{pid}/smaps_rollup") or "")
        rows.append(
            {
                "pid": pid,
                "user": _user_name(files.owner(f"/proc/{pid}")),
                "name": process_title(process.name, files.read_if_present(f"/proc/{pid}/cmdline") or ""),
                "unit": unit_of(files.read_if_present(f"/proc/{pid}/cgroup") or ""),
                "state": process.state,
                "cpu_percent": round(100.0 * spent[pid] / ticks_a_second / seconds, 1) if seconds > 0 else 0.0,
                "rss_bytes": process.rss_pages * page_bytes,
                "pss_bytes": rollup.get("Pss"),
                "top_by": reasons,
            }
        )
    return rows


def process_title(name: str, cmdline: str) -> str:
    """Return a name that tells one service from another: the program, and the script when it is an interpreter.

    Other arguments are left out: people put passwords there.
    """
    arguments = [argument for argument in cmdline.split("\0") if argument]
    if not arguments:
        return plain(name, 100)
    # A process may rewrite its arguments into one text ("nginx: worker process"); its first word is its name then.
    program = posixpath.basename(arguments[0].split(" ")[0].rstrip(":")) or name
    if _INTERPRETERS.match(program):
        scripts = [argument for argument in arguments[1:] if _SCRIPT.match(argument)]
        if arguments[1:] and _PATH.match(arguments[1]):
            scripts.insert(0, arguments[1])
        if scripts:
            return plain(f"{program} {posixpath.basename(scripts[0])}", 100)
    return plain(program, 100)


def unit_of(cgroup: str) -> str | None:
    """Return the systemd unit in a text of ``/proc/<pid>/cgroup``, or None."""
    for line in cgroup.splitlines():
        hierarchy, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if (hierarchy == "0" or controllers == "name=systemd") and path:
            units: Sequence[str] = [part for part in path.split("/") if _UNIT.match(part)]
            if units:
                return plain(units[-1], 100)
    return None


def _user_name(uid: int | None) -> str | None:
    if uid is None:
        return None
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
