# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about secrets of services that can be rotated: where each stands, and who must be restarted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host, service_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_recovery import services_in_order
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_problems import shown

#: How long services have to become healthy, and how many times in a row, when the description says nothing.
_HEALTH_SECONDS, _HEALTH_CONSECUTIVE = 120.0, 3
_NAMED = 5

#: Two items that have any of these in common are one secret.
_Mark = tuple[str, ...]


def contradictions(platform: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the places of the description at which one secret is described in two ways, each with the reason."""
    first: dict[_Mark, tuple[str, Mapping[str, Any]]] = {}
    for number, service in enumerate(platform["services"]):
        for index, item in enumerate((service or {}).get("rotate") or []):
            where = f"services[{number}].rotate[{index}]"
            for mark in _marks(platform, item):
                place, other = first.setdefault(mark, (where, item))
                for key in ("encoding", "bytes", "characters", "per_host"):
                    if item[key] != other[key]:
                        yield f"{where}.{key}", f"must be that of {place}, which is the same secret"


def secret_plan(platform: dict[str, Any], host: Host, groups: Mapping[str, Sequence[str]], named: Sequence[str] = ()) -> dict[str, Any]:
    """Return which secrets of ``host`` can be rotated, and what must run afterwards.

    Items of services are one secret when they have the same word under ``shared``, or the same key of the same file. Each has ``hosts``,
    all hosts of the inventory on which it stands; ``services`` are in the order in which they are started.

    :param groups: the hosts of each group of the inventory, ``all`` among them.
    :param named: keys or words of the secrets that are meant; all without any.
    """
    known = sorted({name for secret in _secrets(platform, platform["services"]) for name in secret["names"]})
    own = [service for service in platform["services"] if host.concerns(service["hosts"])]
    secrets = [
        {**secret, "hosts": _hosts(platform, secret, groups)}
        for secret in _secrets(platform, own) if not named or set(named) & set(secret["names"])
    ]
    names = {name for secret in secrets for name in secret["services"]}
    concerned = {**platform, "services": [{**service, "upstream": None} for service in own if service["name"] in names]}
    recovery = platform["recovery"] or {}
    return {
        "secrets": secrets,
        # As secret_rotate takes them.
        "requests": [{key: secret[key] for key in ("places", "encoding", "bytes", "characters")} for secret in secrets],
        "names": known,
        "problems": [*_unknown(named, known), *_apart(secrets)],
        "services": services_in_order(concerned, host, recovery.get("start_order", [])),
        "probes": _probes(concerned, host, recovery.get("health_consecutive", _HEALTH_CONSECUTIVE)),
        "health_seconds": recovery.get("health_seconds", _HEALTH_SECONDS),
    }


def _probes(platform: dict[str, Any], host: Host, consecutive: int) -> list[dict[str, Any]]:
    """Return what must be well, and stay so: a program that does not like its settings may run for a moment."""
    return [{**probe, "consecutive": max(consecutive, probe.get("consecutive", 1))} for probe in service_probes(platform, host)]


def _unknown(named: Sequence[str], known: Sequence[str]) -> list[str]:
    if not known:
        return ["the platform description names no secrets that can be rotated: services[].rotate"]
    accepted = ", ".join(known)
    return [f"{shown(name)} is no secret of the platform description; accepted: {accepted}" for name in named if name not in known]


def _apart(secrets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what stands against secrets that several hosts have: each host makes a value of its own."""
    return [
        f"{secret['name']} is on {', '.join(secret['hosts'][:_NAMED])}{' and others' if len(secret['hosts']) > _NAMED else ''}, and each host would make"
        " another value; per_host: true in the description allows that where tokens of one need not be valid on the others"
        for secret in secrets if len(secret["hosts"]) > 1 and not secret["per_host"]
    ]


def _marks(platform: Mapping[str, Any], item: Mapping[str, Any]) -> list[_Mark]:
    marks: list[_Mark] = [(_file(platform, item), item["key"])]
    return [*marks, (item["shared"],)] if item["shared"] else marks


def _file(platform: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    return item["file"] or f"{platform['root'].rstrip('/')}/.env"


def _secrets(platform: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[tuple[set[_Mark], list[tuple[str, Mapping[str, Any]]]]] = []
    for service in services:
        for item in service["rotate"]:
            marks, members = set(_marks(platform, item)), [(service["name"], item)]
            same = [one for one in found if one[0] & marks]
            for one in same:
                marks, members = marks | one[0], one[1] + members
                found.remove(one)
            found.append((marks, members))
    return [_secret(platform, members) for _marks_of, members in found]


def _secret(platform: Mapping[str, Any], members: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    places = list(dict.fromkeys((_file(platform, item), item["key"]) for _service, item in members))
    shared = [item["shared"] for _service, item in members if item["shared"]]
    first = members[0][1]
    return {
        "name": shared[0] if shared else first["key"],
        "names": list(dict.fromkeys([*shared, *(item["key"] for _service, item in members)])),
        "places": [{"path": path, "key": key} for path, key in places],
        "services": list(dict.fromkeys(service for service, _item in members)),
        **{key: first[key] for key in ("encoding", "bytes", "characters", "per_host")},
    }


def _hosts(platform: Mapping[str, Any], secret: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the hosts of the inventory that have a service with the secret, under any of its names."""
    services = {name for one in _secrets(platform, platform["services"]) if _meet(one, secret) for name in one["services"]}
    described = [service["hosts"] for service in platform["services"] if service["name"] in services]
    found = []
    for name in sorted({name for members in groups.values() for name in members}):
        host = Host(name, [group for group, members in groups.items() if name in members])
        if any(host.concerns(hosts) for hosts in described):
            found.append(name)
    return found


def _meet(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(place in other["places"] for place in one["places"])
