# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The next step for who reads that a probe is not ok."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import parse_url, place
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import Probe
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome

_LOCAL = ("localhost", "::1")


def next_step(probe: Probe, outcome: Outcome) -> str:
    """Return how to go on; an empty text when all is well.

    Whoever wrote ``hint`` knows the service better than its type does. What keeps a probe from looking is no matter of
    the service: there the probe knows better. Where nobody said anything, the type knows how to look closer.
    """
    if outcome.status == OK:
        return ""
    given = probe.options["hint"] or ""
    known = outcome.hint or given if outcome.status == UNKNOWN else given or outcome.hint
    return known or look_closer(probe.type, probe.options)


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
