# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits for a restart: the host (updates, a newer kernel) and processes that still use deleted libraries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import Process, process_title, unit_of
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles

MAX_PROCESSES_SCANNED = 2_000
MAX_PROCESSES_LISTED = 20
MAX_PACKAGES_LISTED = 20

_MARKERS = ("/run/reboot-required", "/var/run/reboot-required")
_LIBRARY = re.compile(r"\.so(?:\.[\w.]+)*$")
_FLAVOR = re.compile(r"(?:-[A-Za-z]\w*)+$")
_DELETED = " (deleted)"


def newer_kernel(running: str, installed: Iterable[str]) -> str | None:
    """Return the newest installed kernel of the running one's flavor that is newer than it, or None.

    When the running kernel is not installed here (a container, a kernel given from outside), nothing can be said.
    """
    releases = set(installed)
    if running not in releases:
        return None
    flavor = _flavor(running)
    newest = max((release for release in releases if _flavor(release) == flavor), key=_numbers)
    return newest if _numbers(newest) > _numbers(running) else None


def deleted_libraries(maps: str) -> list[str]:
    """Return the shared libraries that a process runs although their files were replaced or removed.

    Only code counts (mapped executable): deleted temporary files, shared memory and memory files are ordinary.

    :param maps: the text of ``/proc/<pid>/maps``.
    """
    found: dict[str, None] = {}
    for line in maps.splitlines():
        if not line.endswith(_DELETED):
            continue
        columns = line.split(None, 5)
        if len(columns) == 6 and "x" in columns[1]:
            path = columns[5][: -len(_DELETED)]
            if path.startswith("/") and not path.startswith("/memfd:") and _LIBRARY.search(path):
                found[path] = None
    return list(found)


def host_restart(files: HostFiles) -> dict[str, Any]:
    """Return whether the host asks for a restart, and why."""
    reasons = []
    marker = next((path for path in _MARKERS if files.exists(path)), None)
    packages = (files.read_if_present(f"{marker}.pkgs") or "").split() if marker else []
    if marker:
        reasons.append(f"{marker} exists")
    running = (files.read_if_present("/proc/sys/kernel/osrelease") or "").strip()
    newer = newer_kernel(running, [name for name in files.names("/lib/modules") if name[:1].isdigit()])
    if newer:
        reasons.append(f"kernel {newer} is installed and {running} runs")
    return {
        "reboot_required": bool(reasons),
        "reasons": reasons,
        "packages": list(dict.fromkeys(packages))[:MAX_PACKAGES_LISTED],
        "running_kernel": running or None,
        "newer_kernel": newer,
    }


def processes_restart(files: HostFiles, processes: Sequence[Process]) -> dict[str, Any]:
    """Return the processes that run deleted code, how many could be looked at and how many could not.

    psutil hides whether a mapped file was deleted, and whether it is code. Processes of containers are left out: they wait for another image,
    and a unit of theirs is none of this host.
    """
    scanned, unreadable, rows = 0, 0, []
    namespace = files.link("/proc/self/ns/pid")
    for process in processes[:MAX_PROCESSES_SCANNED]:
        if namespace is not None and files.link(f"/proc/{process.pid}/ns/pid") not in (None, namespace):
            continue
        maps = files.read_if_present(f"/proc/{process.pid}/maps")
        if maps is None:
            # One that ended meanwhile needs no restart.
            unreadable += files.exists(f"/proc/{process.pid}")
            continue
        # A thread of the kernel maps nothing.
        scanned += bool(maps)
        libraries = deleted_libraries(maps)
        program = files.link(f"/proc/{process.pid}/exe") or ""
        if program.endswith(_DELETED) and not program.startswith("/memfd:"):
            libraries.insert(0, program[: -len(_DELETED)])
        if libraries:
            title, unit = process_title(process.name, process.argv), unit_of(process.pid)
            rows.append({"pid": process.pid, "name": title, "unit": unit, "deleted": libraries[:3]})
    return {
        "processes": rows[:MAX_PROCESSES_LISTED],
        "processes_found": len(rows),
        "processes_scanned": scanned,
        "processes_unreadable": unreadable + max(0, len(processes) - MAX_PROCESSES_SCANNED),
    }


def _flavor(release: str) -> str:
    """Return ``-cloud-amd64`` of ``6.1.0-18-cloud-amd64``; a flavor replaces only itself."""
    found = _FLAVOR.search(release)
    return found.group() if found else ""


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", _FLAVOR.sub("", release))]
