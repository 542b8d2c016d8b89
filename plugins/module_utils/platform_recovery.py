# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about bringing a host back from a backup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_plan, label_of, own_patterns
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host, service_probes

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

#: What tells whether a service runs without asking it anything over HTTP.
_QUIET = ("unit", "pm2", "process", "port", "tcp")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: A web server listens here, which answers with the maintenance page meanwhile.
_WEB_PORTS = (80, 443)
_PSUTIL_PROBES = ("process", "port")


def recovery_plan(
    platform: dict[str, Any], host: Host, passwords: Mapping[str, str] | None = None, backup_host: str = ""
) -> dict[str, Any]:
    """Return what is brought back on ``host`` and what it takes; empty for a host without backups.

    ``targets`` are the paths of all sources unless the description names others, a path inside another one left out;
    ``services`` are in the order in which they are started, those that ``start_order`` does not name last. ``unmanaged`` names the
    services that nobody can start by the description. ``inner_probes`` are those probes that the maintenance page does not answer.

    :param passwords: passwords of databases by the names of their dumps, since the description holds none.
    :param backup_host: name of the host when the backup was made, when it had another.
    """
    backup = backup_plan(platform, host, passwords)
    recovery = platform["recovery"] or _SILENT
    if not backup or not host.concerns(recovery["hosts"]):
        return {}
    paths = [path for source in backup["sources"] for path in source["paths"]]
    probes = _probes(platform, host, recovery["health_consecutive"])
    label = label_of(platform, backup_host or host.name)
    return {
        "platform": platform["name"],
        "host": backup_host or host.name,
        "owner": platform["owner"],
        "label": label,
        "engine": backup["engine"],
        "restic": backup["restic"],
        "directory": backup["destination"],
        "pattern": own_patterns(label),
        "accept": backup["accept"],
        "targets": _outermost(recovery["targets"] or paths),
        "dumps": backup["dumps"],
        "database_units": _database_units(platform, host),
        "maintenance_file": recovery["maintenance_file"],
        "env_files": _of_host(recovery["env_files"], host, platform["owner"]),
        "configuration_checks": [item["command"] for item in recovery["configuration_checks"] if host.concerns(item["hosts"])],
        "node_projects": list(dict.fromkeys(item["path"] for item in platform["node_projects"] if host.concerns(item["hosts"]))),
        "services": services_in_order(platform, host, recovery["start_order"]),
        "unmanaged": _unmanaged(platform, host),
        "probes": probes,
        "inner_probes": [probe for probe in probes if _is_inner(probe)],
        "python_modules": ["psutil"] if any(probe["type"] in _PSUTIL_PROBES for probe in probes) else [],
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


def services_in_order(platform: dict[str, Any], host: Host, start_order: list[str]) -> list[dict[str, Any]]:
    """Return how the services of the host that can be started are started."""
    services = []
    for service in platform["services"]:
        pm2 = service["pm2"] or {}
        if host.concerns(service["hosts"]) and (service["unit"] or pm2):
            user = pm2.get("user") or service["user"] or platform["owner"]
            services.append({"name": service["name"], "unit": service["unit"], "pm2": pm2.get("app", ""), "user": user})
    place = {name: number for number, name in enumerate(start_order)}
    return sorted(services, key=lambda service: place.get(service["name"], len(place)))


def _database_units(platform: dict[str, Any], host: Host) -> list[str]:
    """Return the units of the servers whose data are brought back on the host."""
    servers = platform["databases"] + platform["caches"]
    return list(dict.fromkeys(item["unit"] for item in servers if item["unit"] and item["backup"] and host.concerns(item["hosts"])))


def _unmanaged(platform: dict[str, Any], host: Host) -> list[str]:
    """Return the services that run as a process of the host and of which nobody knows how they are started."""
    return [
        service["name"] for service in platform["services"]
        if host.concerns(service["hosts"]) and service["process"] and not service["unit"] and not service["pm2"]
    ]


def _probes(platform: dict[str, Any], host: Host, consecutive: int) -> list[dict[str, Any]]:
    """Return what must be well after a recovery: the services, and not what they need from elsewhere."""
    own = {**platform, "services": [{**service, "upstream": None} for service in platform["services"]]}
    return [{**probe, "consecutive": consecutive} for probe in service_probes(own, host)]


def _is_inner(probe: Mapping[str, Any]) -> bool:
    """Tell whether a probe asks the service itself, on this host, and not the web server before it."""
    if probe["type"] in _QUIET:
        return True
    url = urlsplit(str(probe.get("url", "")))
    port = url.port or (443 if url.scheme in ("https", "wss") else 80)
    return url.hostname in _LOOPBACK and port not in _WEB_PORTS
