# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about bringing a host back from a backup."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_plan
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

#: What is said about recovery when the description says nothing.
_SILENT: dict[str, Any] = {
    "hosts": [],
    "targets": [],
    "maintenance_file": "",
    "env_files": [],
    "configuration_checks": [],
    "start_order": [],
    "health_seconds": 120.0,
    "health_consecutive": 3,
}


def recovery_plan(platform: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what is brought back on ``host`` and what it takes; empty for a host without backups.

    ``targets`` are the paths of all sources unless the description names others, a path inside another one left out;
    ``services`` are in the order in which they are started, those that ``start_order`` does not name last.
    """
    backup = backup_plan(platform, host)
    recovery = platform["recovery"] or _SILENT
    if not backup or not host.concerns(recovery["hosts"]):
        return {}
    paths = [path for source in backup["sources"] for path in source["paths"]]
    return {
        "platform": platform["name"],
        "owner": platform["owner"],
        "label": backup["label"],
        "engine": backup["engine"],
        "directory": backup["destination"],
        "pattern": backup["pattern"],
        "targets": _outermost(recovery["targets"] or paths),
        "dumps": backup["dumps"],
        "maintenance_file": recovery["maintenance_file"],
        "env_files": _of_host(recovery["env_files"], host, platform["owner"]),
        "configuration_checks": [item["command"] for item in recovery["configuration_checks"] if host.concerns(item["hosts"])],
        "node_projects": list(dict.fromkeys(item["path"] for item in platform["node_projects"] if host.concerns(item["hosts"]))),
        "services": _services(platform, host, recovery["start_order"]),
        "health_seconds": recovery["health_seconds"],
        "health_consecutive": recovery["health_consecutive"],
    }


def _outermost(paths: list[str]) -> list[str]:
    """Leave out what another path holds anyway."""
    once = list(dict.fromkeys(paths))
    return [path for path in once if not any(path.startswith(other.rstrip("/") + "/") for other in once if other != path)]


def _of_host(files: list[dict[str, Any]], host: Host, owner: str) -> list[dict[str, Any]]:
    return [
        {"path": item["path"], "required_keys": item["required_keys"], "mode": item["mode"], "owner": item["owner"] or owner}
        for item in files
        if host.concerns(item["hosts"])
    ]


def _services(platform: dict[str, Any], host: Host, start_order: list[str]) -> list[dict[str, Any]]:
    """Return how the services of the host that can be started are started."""
    services = []
    for service in platform["services"]:
        pm2 = service["pm2"] or {}
        if host.concerns(service["hosts"]) and (service["unit"] or pm2):
            user = pm2.get("user") or service["user"] or platform["owner"]
            services.append({"name": service["name"], "unit": service["unit"], "pm2": pm2.get("app", ""), "user": user})
    place = {name: number for number, name in enumerate(start_order)}
    return sorted(services, key=lambda service: place.get(service["name"], len(place)))
