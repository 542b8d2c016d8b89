# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which items of a normalized platform description are the business of one host, and what roles make of them."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place


class Host:
    """A host of the inventory: its name and the names of its groups."""

    def __init__(self, name: str, groups: Collection[str]) -> None:
        self.name = name
        self._names = {name, "all", *groups}

    def concerns(self, hosts: Collection[str]) -> bool:
        """Tell whether an item with these ``hosts`` (names of hosts or groups; none: all) is about this host."""
        return not hosts or not self._names.isdisjoint(hosts)


def service_probes(platform: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return the probes of the services of ``host``, in the order of the description, as ``health_probe`` takes them.

    A probe has the name of its service; the one of the upstream is called ``<service> upstream``. Each says the next
    step for when it is not ok.
    """
    return [
        {"name": name, "type": kind, **_given(options)}
        for service in platform["services"]
        if host.concerns(service["hosts"])
        for name, kind, options in _probes(service, service["user"] or platform["owner"])
    ]


def _probes(service: dict[str, Any], user: str) -> list[tuple[str, str, dict[str, Any]]]:
    name, pm2, process, upstream = (service[key] for key in ("name", "pm2", "process", "upstream"))
    probes: list[tuple[str, str, dict[str, Any]]] = []
    if service["unit"]:
        probes.append((name, "unit", {"unit": service["unit"]}))
    if pm2:
        probes.append((name, "pm2", {**pm2, "user": pm2["user"] or user}))
    if process:
        probes.append((name, "process", {**process, "user": process["user"] or user}))
    if service["port"]:
        probes.append((name, "port", {"port": service["port"], **_listener(service, user)}))
    for kind in ("http", "websocket", "tcp"):
        if service[kind]:
            probes.append((name, kind, service[kind]))
    hint = service["hint"] or _next_step(service, user)
    probes = [(name, kind, {**options, "hint": hint}) for name, kind, options in probes]
    if upstream:
        where = place(upstream["host"], upstream["port"])
        hint = f"{name} cannot work without {where}; look at the network, then ask who runs it."
        probes.append((f"{name} upstream", "tcp", {**upstream, "hint": hint}))
    return probes


def _next_step(service: dict[str, Any], user: str) -> str:
    """Return what to do first when the service does not work: read its log where the description says where it is."""
    pm2, logs = service["pm2"], service["logs"]
    if service["unit"]:
        return f"Read its log: journalctl -u {shlex.quote(service['unit'])} -n 100"
    if pm2:
        whose = pm2["user"] or user
        command = f"pm2 logs {shlex.quote(pm2['app'])} --lines 100 --nostream"
        return f"Read its log: {command}{f' (as user {whose})' if whose else ''}"
    if logs:
        # Not quoted: it may have wildcards.
        return f"Read its log: tail -n 100 {logs[0]}"
    return f"Start {service['name']} and look at why it ended."


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the description left empty: the defaults of the module apply."""
    return {key: value for key, value in options.items() if value not in ("", None, [], {})}


def _listener(service: dict[str, Any], user: str) -> dict[str, Any]:
    """Return who is expected to listen on the port of a service: its unit, its process, or the user of its PM2."""
    if service["unit"]:
        return {"unit": service["unit"]}
    if service["process"]:
        return {"pattern": service["process"]["pattern"], "user": service["process"]["user"] or user}
    if service["pm2"]:
        return {"user": service["pm2"]["user"] or user}
    return {"user": service["user"]}


def watched_paths(platform: dict[str, Any], host: Host) -> list[dict[str, str]]:
    """Return the paths of ``host`` whose file systems must not fill up, without duplicates.

    These are the root of the host, the root of the platform, its backup directory and its ``watched_paths``.
    """
    backup = platform["backup"]
    paths = ["/"]
    if host.concerns(platform["root_hosts"]):
        paths.append(platform["root"])
    if backup and host.concerns(backup["hosts"]):
        paths.append(backup["directory"])
    paths += [item["path"] for item in platform["watched_paths"] if host.concerns(item["hosts"])]
    return [{"path": path} for path in dict.fromkeys(paths)]
