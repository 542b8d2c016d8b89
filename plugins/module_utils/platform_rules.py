# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold between the keys of a platform description, beyond the kind of each."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_secrets import contradictions
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_problems import Problems, shown, suggestion

#: Any of these makes a service something that can be looked at.
PROBED_BY = ("unit", "pm2", "process", "port", "http", "websocket", "tcp", "upstream")

#: What each type of channel is reached by.
CHANNEL_TARGETS = {"mail": "address", "phone": "address", "webhook": "name", "file": "path"}


def check_rules(platform: dict[str, Any], problems: Problems) -> list[str]:
    """Note what contradicts itself; return warnings. An item that is wrong in itself already is left alone.

    :param platform: the description as its schema returned it, every key present.
    """
    _refuse_twins(platform["services"], "services", problems)
    for index, service in enumerate(platform["services"]):
        if not problems.within(f"services[{index}]"):
            _check_service(service, f"services[{index}]", problems)
    for index, database in enumerate(platform["databases"]):
        if not problems.within(f"databases[{index}]"):
            _check_database(database, f"databases[{index}]", problems)
    if not problems.within("services"):
        for place, reason in contradictions(platform):
            problems.add(place, reason)
    certificates = platform["certificates"]
    if certificates and not problems.within("certificates"):
        if not any(certificates[key] for key in ("paths", "endpoints", "served_by")):
            problems.add("certificates", "names no certificate: give paths, endpoints or served_by")
    for index, contact in enumerate(platform["contacts"]):
        if not problems.within(f"contacts[{index}]"):
            _check_contact(contact, f"contacts[{index}]", problems)
    recovery = platform["recovery"]
    if recovery and not problems.within("recovery"):
        _check_recovery(recovery, platform["services"], problems)
    backup = platform["backup"]
    return _check_backup(backup, problems) if backup and not problems.within("backup") else []


def _check_service(service: dict[str, Any], path: str, problems: Problems) -> None:
    if not any(service[key] for key in PROBED_BY):
        accepted = ", ".join(PROBED_BY)
        problems.add(path, f"{shown(service['name'])} has nothing to look at: give at least one of {accepted}")
    for key, low, high in (
        ("http", "warning_seconds", "critical_seconds"),
        ("websocket", "warning_seconds", "critical_seconds"),
        ("process", "minimum", "maximum"),
    ):
        limits = service[key] or {}
        lower, upper = limits.get(low), limits.get(high)
        if lower is not None and upper is not None and lower > upper:
            problems.add(f"{path}.{key}.{low}", f"must not be more than {high}")
    if service["rotate"] and not (service["unit"] or service["pm2"]):
        problems.add(f"{path}.rotate", "nobody could restart the service so that it reads its new secrets: give unit or pm2")
    reopen = service["reopen"]
    if reopen is None:
        return
    if bool(reopen["signal"]) == bool(reopen["command"]):
        problems.add(f"{path}.reopen", "give either signal or command")
    elif reopen["signal"] and not (reopen["pid_file"] or service["unit"] or service["process"]):
        problems.add(f"{path}.reopen", "nobody to send the signal to: give pid_file, or unit or process of the service")


def _check_database(database: dict[str, Any], path: str, problems: Problems) -> None:
    needed = "path" if database["type"] == "sqlite" else "name"
    if not database[needed]:
        problems.add(f"{path}.{needed}", f"is required for the type {database['type']}")
    if database["type"] == "mysql" and database["port"] and not database["host"]:
        problems.add(f"{path}.host", "is required with the port of a mysql, whose client would take the local socket: write 127.0.0.1")


def _check_contact(contact: dict[str, Any], path: str, problems: Problems) -> None:
    for index, channel in enumerate(contact["channels"]):
        needed = CHANNEL_TARGETS[channel["type"]]
        where = f"{path}.channels[{index}]"
        if not channel[needed]:
            problems.add(f"{where}.{needed}", f"is required for the type {channel['type']}")
        elif channel["type"] == "mail" and "@" not in channel["address"]:
            problems.add(f"{where}.address", f"must be a mail address, not {shown(channel['address'])}")
        for key in sorted(set(CHANNEL_TARGETS.values()) - {needed}):
            if channel[key]:
                problems.add(f"{where}.{key}", f"means nothing for the type {channel['type']}, which takes {needed}")


def _check_backup(backup: dict[str, Any], problems: Problems) -> list[str]:
    _refuse_twins(backup["sources"], "backup.sources", problems)
    if not any(backup["keep"].values()):
        problems.add("backup.keep", f"keeps nothing: give at least one of {', '.join(backup['keep'])} above 0")
    if backup["engine"] == "restic" and not backup["restic"]:
        problems.add("backup.restic", "is required for the engine restic")
    drill = backup["drill"]
    if 0 < drill["max_days"] < drill["every_days"]:
        problems.add("backup.drill.max_days", "must not be less than every_days")
    if not backup["pattern"] and not any(source["pattern"] for source in backup["sources"]):
        return []  # our own backups leave their folder out
    return [
        f"backup.directory lies inside backup.sources[{index}].paths: exclude it, or each backup holds those before it"
        for index, source in enumerate(backup["sources"])
        if any(_inside(backup["directory"], path) for path in source["paths"]) and not source["exclude"]
    ]


def _check_recovery(recovery: dict[str, Any], services: list[dict[str, Any] | None], problems: Problems) -> None:
    names = [service["name"] for service in services if service]
    for index, name in enumerate(recovery["start_order"]):
        if name not in names:
            close = suggestion(name, names) or ";"
            accepted = ", ".join(names) or "none"
            problems.add(f"recovery.start_order[{index}]", f"{shown(name)} is none of the services{close} accepted: {accepted}")


def _refuse_twins(items: list[dict[str, Any] | None], path: str, problems: Problems) -> None:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        name = item["name"] if item else ""
        if name in first:
            problems.add(f"{path}[{index}].name", f"{shown(name)} is the name of {path}[{first[name]}] already")
        if name:
            first.setdefault(name, index)


def _inside(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(folder + "/")
