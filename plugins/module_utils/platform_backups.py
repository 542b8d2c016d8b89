# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about the backups of a host: what is backed up, how, and which backups are to be there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

_FIGURES = ("max_age_hours", "min_bytes", "max_shrink_percent")
#: The time in the name of an archive of ours, as a shell pattern.
_TIME = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
_ENDINGS = (".tar.zst", ".tar.gz", ".tar")
_GLOBALS = "postgresql_globals"


def backup_groups(platform: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return the groups of backups that ``host`` keeps, as ``backup_verify`` takes them.

    Our own archives are one group when no ``pattern`` says that there are others. Otherwise there is one group for each source with
    a pattern of its own, and one for the pattern of the whole backup. A host that has none of the sources has no backups, and
    what is in a restic repository is no file in a folder.
    """
    backup = platform["backup"]
    sources = _sources(backup, host)
    if not sources or backup["engine"] != "archive":
        return []
    groups = [
        _group(backup, source["pattern"], source["require"], name=source["name"]) for source in sources if source["pattern"]
    ]
    if backup["pattern"]:
        groups.insert(0, _group(backup, backup["pattern"], []))
    if not groups:
        label = _label(platform, host)
        require = [pattern for source in sources for pattern in source["require"]]
        groups = [{**_group(backup, own_patterns(label), require, name=label), "manifest": backup["manifest"] or "required"}]
    return groups


def backup_plan(platform: dict[str, Any], host: Host, passwords: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what is backed up of ``host`` and how, as ``backup_create`` and ``backup_prune`` take it; empty without backups.

    :param passwords: passwords of databases by the names of their dumps, since the description holds none.
    """
    backup = platform["backup"]
    sources = _sources(backup, host)
    if not sources:
        return {}
    label = _label(platform, host)
    return {
        "engine": backup["engine"],
        "restic": backup["restic"] or {},
        "platform": platform["name"],
        "host": host.name,
        "label": label,
        "destination": backup["directory"],
        "pattern": own_patterns(label),
        "compression": backup["compression"],
        "sources": [{key: source[key] for key in ("name", "paths", "exclude")} for source in sources],
        "dumps": backup_dumps(platform, host, passwords),
        "git": [platform["root"]] if host.concerns(platform["root_hosts"]) else [],
        "services": [item["unit"] for item in platform["services"] if item["unit"] and host.concerns(item["hosts"])],
        "keep": backup["keep"],
        "drill": {**backup["drill"], "run_as": backup["drill"]["run_as"] or platform["owner"]},
    }


def backup_dumps(platform: dict[str, Any], host: Host, passwords: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the dumps of the databases and caches of ``host``; one of the roles besides for each PostgreSQL server."""
    dumps: list[dict[str, Any]] = []
    for database in platform["databases"]:
        if not database["backup"] or not host.concerns(database["hosts"]):
            continue
        where = {key: database[key] for key in ("host", "port", "user", "run_as", "unit")}
        if database["type"] == "sqlite":
            dumps.append({"name": f"sqlite-{slug(database['path'])}", "type": "sqlite", "path": database["path"], **where})
            continue
        name = _dump_name(database["type"], database["name"], where)
        dumps.append({"name": name, "type": database["type"], "database": database["name"], **where})
        if database["type"] == "postgresql":
            dumps.append({"name": _dump_name("postgresql", "globals", where), "type": _GLOBALS, **where})
    dumps += [_cache_dump(cache) for cache in platform["caches"] if cache["backup"] and host.concerns(cache["hosts"])]
    given = [{key: value for key, value in dump.items() if value not in ("", None)} for dump in dumps]
    # Two databases of one server share the dump of its roles; any others with one name are different things.
    named = _with_names_of_their_own([dump for index, dump in enumerate(given) if dump not in given[:index]])
    known = passwords or {}
    return [{**dump, "password": known[dump["name"]]} if known.get(dump["name"]) else dump for dump in named]


def own_patterns(label: str) -> list[str]:
    """Return shell patterns that the names of our archives with this label fit, and those of no other label."""
    return [f"{label}_{_TIME}{ending}" for ending in _ENDINGS]


def slug(text: str) -> str:
    """Return ``text`` in small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def _sources(backup: dict[str, Any] | None, host: Host) -> list[dict[str, Any]]:
    if not backup or not host.concerns(backup["hosts"]):
        return []
    return [source for source in backup["sources"] if host.concerns(source["hosts"])]


def _label(platform: dict[str, Any], host: Host) -> str:
    given = platform["backup"]["label"] or slug(platform["name"])
    return f"{given}-{re.sub(r'[^A-Za-z0-9._-]+', '-', host.name)}"


def _with_names_of_their_own(dumps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    taken: set[str] = set()
    named = []
    for dump in dumps:
        name, number = dump["name"], 1
        while name in taken:
            number += 1
            name = f"{dump['name']}-{number}"
        taken.add(name)
        named.append({**dump, "name": name})
    return named


def _dump_name(kind: str, what: str, where: Mapping[str, Any]) -> str:
    """Return the name of a dump; the server is in it when it is not the one of the host."""
    parts = (kind, re.sub(r"[^A-Za-z0-9._-]+", "-", what), where["host"], where["port"])
    return "-".join(str(part) for part in parts if part)


def _cache_dump(cache: dict[str, Any]) -> dict[str, Any]:
    url = urlsplit(cache["url"])
    where: dict[str, Any] = {"path": url.path} if url.scheme == "unix" else {"host": url.hostname, "port": url.port or 6379}
    name = f"redis-{slug(url.path)}" if url.scheme == "unix" else f"redis-{slug(str(url.hostname))}-{where['port']}"
    return {"name": name, "type": "redis", **where, "unit": cache["unit"], "data_directory": cache["data_directory"]}


def _group(backup: dict[str, Any], pattern: list[str], require: list[str], name: str = "") -> dict[str, Any]:
    group = {
        "name": name,
        "directory": backup["directory"],
        "pattern": pattern,
        "require": [*backup["require"], *require],
        "manifest": backup["manifest"] or "optional",
    }
    given = {key: value for key, value in group.items() if value}
    return {**given, **{key: backup[key] for key in _FIGURES if backup[key] is not None}}
