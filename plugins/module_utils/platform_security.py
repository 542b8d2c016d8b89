# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a normalized platform description says about the security of one host."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host


def security_sources(platform: dict[str, Any], host: Host) -> dict[str, Any]:
    """Return what role ``security_audit`` goes by on ``host``, each empty when the description says nothing of it.

    ``listeners`` as ``port_baseline`` takes them, from the services; ``service_users``; ``paths`` and ``exclude`` of
    ``file_integrity``; ``trusted_networks``; ``access``, what ``access_review`` expects.
    """
    services = [service for service in platform["services"] if host.concerns(service["hosts"])]
    described = platform["security"] or {}
    integrity = described.get("integrity") or {"paths": [], "exclude": []}
    paths = [item["path"] for item in integrity["paths"] if host.concerns(item["hosts"])]
    access = described.get("access") or {}
    return {
        "listeners": [_listener(service, platform["owner"]) for service in services if service["port"]],
        "service_users": _users(services, platform["owner"]),
        "paths": list(dict.fromkeys(paths)),
        "exclude": integrity["exclude"],
        "trusted_networks": described.get("trusted_networks", []),
        # A list that is left out is another thing than an empty one: nothing is expected then, and nothing refused.
        "access": {kind: names for kind, names in access.items() if names},
    }


def _listener(service: dict[str, Any], owner: str) -> dict[str, Any]:
    """Return who is expected on the port of a service: its unit, otherwise the user whom it runs as."""
    if service["unit"]:
        return {"port": service["port"], "unit": service["unit"]}
    user = _user(service, owner) if service["process"] or service["pm2"] else service["user"]
    return {"port": service["port"], **({"user": user} if user else {})}


def _users(services: list[dict[str, Any]], owner: str) -> list[str]:
    """Return the users whom services run as, without root, for whom nothing of this is unexpected."""
    users = [owner, *(user for service in services for user in (service["user"], _user(service, owner)))]
    return list(dict.fromkeys(user for user in users if user not in ("", "root")))


def _user(service: dict[str, Any], owner: str) -> str:
    for runs in (service["process"], service["pm2"]):
        if runs and runs["user"]:
            return str(runs["user"])
    return str(service["user"] or owner)
