# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the services of a host are like before a recovery, and in which way each is stopped and started."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_PROPERTIES = ("LoadState", "ActiveState", "CanReload")
_TIMEOUT_SECONDS = 20.0


@dataclass
class Service:
    """One service.

    :ivar unit: the unit with its suffix, or empty for an application of PM2.
    :ivar home: home directory of the user of the PM2 application.
    :ivar known: it can be stopped and started now; a unit that the backup brings is not known yet.
    :ivar active: it runs now.
    :ivar kept: it keeps running and is only told of its new configuration: what serves the maintenance page, and databases.
    :ivar reloadable: it can be told of a new configuration.
    """

    name: str
    unit: str = ""
    pm2: str = ""
    user: str = ""
    home: str = ""
    known: bool = False
    active: bool = False
    kept: bool = False
    reloadable: bool = False

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        """Say to people what becomes of it."""
        what = self.unit or f"PM2 application {self.pm2} of {self.user}"
        if self.kept:
            return f"service {self.name} ({what}): keeps running{', and is reloaded' if self.reloadable else ''}"
        if not self.known:
            return f"service {self.name} ({what}): is not there yet; is started when its files are back"
        return f"service {self.name} ({what}): {'is stopped and started again' if self.active else 'does not run; is started'}"


def look_at_services(given: Sequence[Mapping[str, Any]], kept: Sequence[str]) -> tuple[list[Service], list[str]]:
    """Return the services as they are, and what makes it impossible to stop and start them.

    :param given: ``name`` and either ``unit`` or ``pm2`` with ``user``.
    :param kept: shell patterns of units that keep running.
    """
    services = [Service(item["name"], _unit(item.get("unit")), item.get("pm2") or "", item.get("user") or "") for item in given]
    problems = []
    units = [service for service in services if service.unit]
    if units:
        problems += judge_units(units, ask_systemd([service.unit for service in units]), kept)
    for service in services:
        if not service.unit:
            problems += _look_at_pm2(service)
    return services, problems


def ask_systemd(units: Sequence[str]) -> CommandResult:
    """Ask for the state of all units at once."""
    argv = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--no-pager", "--", *units]
    return run_command(argv, timeout_seconds=_TIMEOUT_SECONDS)


def judge_units(services: Sequence[Service], answer: CommandResult, kept: Sequence[str]) -> list[str]:
    """Note what systemd says of each unit; return what cannot be stopped and started.

    systemd answers with one block for each unit, in the order of the question.
    """
    blocks = [_properties(block) for block in answer.stdout.strip().split("\n\n")] if answer.succeeded else []
    if len(blocks) != len(services):
        reason = answer.problem or plain(answer.stderr, 200) or "it gave no answer for each unit"
        names = ", ".join(service.unit for service in services)
        return [f"systemd does not tell about {names}: {reason}; nobody could start them again"]
    problems = []
    for service, block in zip(services, blocks):
        state = block.get("LoadState", "")
        service.known = state == "loaded"
        service.active = block.get("ActiveState") in ("active", "reloading", "activating")
        service.reloadable = block.get("CanReload") == "yes"
        service.kept = any(fnmatchcase(service.unit, _unit(pattern)) for pattern in kept)
        if state == "masked":
            problems.append(f"{service.unit} is masked, so that it cannot be started: systemctl unmask {service.unit}")
    return problems


def _properties(block: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in block.splitlines() if "=" in line)
    return {key: value for key, value in pairs if key in _PROPERTIES}


def _look_at_pm2(service: Service) -> list[str]:
    """PM2 itself is not asked: to ask it starts a daemon where there is none."""
    try:
        service.home = pwd.getpwnam(service.user).pw_dir
    except KeyError:
        return [f"service {service.name}: this host has no user {service.user or '(none given)'}, whose PM2 runs it"]
    if shutil.which("pm2", path=f"{os.environ.get('PATH', '')}:/usr/local/bin:/usr/bin:/bin") is None:
        return [f"service {service.name}: PM2 is not installed here, so that nobody could start it"]
    service.known = service.active = os.path.exists(os.path.join(service.home, ".pm2", "pm2.pid"))
    return []


def _unit(name: Any) -> str:
    """Return a unit with its suffix; a pattern keeps its wildcard."""
    text = str(name or "")
    return text if not text or "." in text else f"{text}.service"
