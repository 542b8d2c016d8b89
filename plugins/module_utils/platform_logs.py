# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about the logs of a host, as ``log_rotate`` and ``log_scan`` take it."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host


def log_groups(platform: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return a group for each service of ``host`` that writes logs, in the order of the description.

    A service of PM2 that says nothing else is told through PM2; a writer without ``reopen`` is told nothing.
    """
    groups = []
    for service in platform["services"]:
        if service["logs"] and host.concerns(service["hosts"]):
            group = {"name": service["name"], "paths": list(service["logs"])}
            reopen = _reopen(service, service["user"] or platform["owner"])
            groups.append({**group, "reopen": reopen} if reopen else group)
    return groups


def scanned_groups(platform: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return a group for each service of ``host`` that writes logs, or is a unit of systemd whose journal holds them."""
    groups: list[dict[str, Any]] = []
    for service in platform["services"]:
        if not host.concerns(service["hosts"]):
            continue
        if service["logs"]:
            groups.append({"name": service["name"], "paths": list(service["logs"])})
        elif service["unit"]:
            groups.append({"name": service["name"], "journal": {"units": [service["unit"]]}})
    return groups


def _reopen(service: dict[str, Any], user: str) -> dict[str, Any]:
    reopen, pm2, process = service["reopen"], service["pm2"], service["process"]
    if reopen is None:
        whose = (pm2["user"] or user) if pm2 else ""
        return {"pm2": True, **({"user": whose} if whose else {})} if pm2 else {}
    if reopen["command"]:
        return {"command": list(reopen["command"])}
    signal = {"signal": reopen["signal"]}
    if reopen["pid_file"]:
        return {**signal, "pid_file": reopen["pid_file"]}
    if service["unit"]:
        return {**signal, "unit": service["unit"]}
    whose = process["user"] or user
    return {**signal, "process": process["pattern"], **({"user": whose} if whose else {})}
