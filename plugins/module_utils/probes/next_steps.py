# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How to look closer at what a probe found wrong: the next step where nobody else knows one."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import parse_url

_LOCAL = ("localhost", "::1")


def look_closer(kind: str, options: dict[str, Any]) -> str:
    """Return what a person does to see what a probe of this type saw, with commands that change nothing.

    Only what the probe shows anyway is in it: no header, no body, no argument of a command.
    """
    if kind == "http":
        url = parse_url(options["url"], ("http", "https")).shown
        return f"Try it on this host with: curl -sv -o /dev/null {shlex.quote(url)}; then read the log of the service."
    if kind == "websocket":
        target = parse_url(options["url"], ("ws", "wss"))
        return _look_at_server(target.host, target.port, target.secure)
    if kind == "tcp":
        return _look_at_server(options["host"], options["port"], options["tls"])
    if kind == "port":
        return f"See who listens with: {_listeners(options['port'])}; start the service, or stop what has its port."
    if kind == "process":
        return f"See what runs with: {_processes(options)}; then read the log of the service."
    if kind == "dns":
        return f"Ask for it on this host with: {_resolver(options)}; then look at the zone and its name servers."
    if kind == "unit":
        return f"See why with: systemctl status {shlex.quote(options['unit'])}"
    if kind == "pm2":
        return f"See why with: pm2 describe {shlex.quote(options['app'])}"
    return "Run the command on this host, as the user of this task, and read what it says."


def _look_at_server(host: str, port: int, tls: bool) -> str:
    if host in _LOCAL or host.startswith("127."):
        return f"See whether it listens with: {_listeners(port)}; then read the log of the service."
    command = f"openssl s_client -connect {shlex.quote(place(host, port))}" if tls else f"nc -vz {shlex.quote(host)} {port}"
    return f"Try it on this host with: {command}; look at the network and firewalls, then at the service there."


def _listeners(port: int) -> str:
    return f"ss -ltnp 'sport = :{port}'"


def _processes(options: dict[str, Any]) -> str:
    user = f" -u {shlex.quote(options['user'])}" if options["user"] else ""
    if options["pattern"] or options["exe"]:
        return f"pgrep -af{user} -- {shlex.quote(options['pattern'] or options['exe'])}"
    return f"ps -f{user}"


def _resolver(options: dict[str, Any]) -> str:
    host = shlex.quote(options["host"])
    if options["server"]:
        return f"dig -p {options['server_port']} @{shlex.quote(options['server'])} {host} {options['record']}"
    return f"getent ahosts {host}"
