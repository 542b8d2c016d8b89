# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pressure stall information: the share of time in which work stood still for want of a resource."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable

RESOURCES = ("cpu", "memory", "io")

#: Which line is graded. Some task waiting for a processor is what pressure means there (the host's ``full`` line for it
#: is always 0); memory and storage hurt when everything waits.
GRADED_LINE = {"cpu": "some", "memory": "full", "io": "full"}


def parse_pressure(text: str) -> dict[str, dict[str, float]]:
    """Return ``{"some": {"avg10": …, "avg60": …, "avg300": …}, "full": {…}}``, in percent.

    :raises Unmeasurable: when the text holds no pressure.
    """
    lines = {}
    for line in text.splitlines():
        name, *pairs = line.split() or [""]
        try:
            figures = {key: float(value) for key, _equals, value in (pair.partition("=") for pair in pairs)}
        except ValueError:
            continue
        if name in ("some", "full") and "avg60" in figures:
            lines[name] = {key: value for key, value in figures.items() if key.startswith("avg")}
    if "some" not in lines:
        raise Unmeasurable("the kernel's pressure file holds no averages")
    return lines


def pressure_metrics(files: HostFiles, resource: str, *, in_cgroup: bool) -> dict[str, Any]:
    """Return the pressure on ``resource``, of the container when there is one, otherwise of the host.

    :raises Unmeasurable: when the kernel does not count it.
    """
    path = f"/proc/pressure/{resource}"
    own = f"/sys/fs/cgroup/{resource}.pressure"
    text = files.read_if_present(own) if in_cgroup else None
    scope = "cgroup" if text else "host"
    if not text:
        if not files.exists(path):
            raise Unmeasurable(f"{path} does not exist: this kernel counts no pressure (boot parameter psi=1)")
        text = files.read(path)
    lines = parse_pressure(text)
    line = GRADED_LINE[resource] if GRADED_LINE[resource] in lines else "some"
    return {"scope": scope, **lines, "graded": line, "graded_percent": round(lines[line]["avg60"], 1)}
