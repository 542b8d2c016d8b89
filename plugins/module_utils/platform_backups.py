# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about the backups of a host: what is backed up, how, and which backups are to be there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

_FIGURES = ("max_age_hours", "min_bytes", "max_shrink_percent")
#: The time in the name of an archive of ours, as a shell pattern.
_TIME = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
_ENDINGS = (".tar.zst", ".tar.gz", ".tar")


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
    if not _has_patterns(backup, sources):
        label = label_of(platform, host.name)
        own = {**_group(backup, own_patterns(label), [], name=label), "manifest": backup["manifest"] or "required"}
        require = _required(backup, sources)
        return [{**own, "require": require} if require else own]
    whole = [_group(backup, backup["pattern"], [])] if backup["pattern"] else []
    return whole + [
        _group(backup, source["pattern"], source["require"], name=source["name"]) for source in sources if source["pattern"]
    ]


def backup_plan(platform: dict[str, Any], host: Host, passwords: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what is backed up of ``host`` and how, as ``backup_create`` and ``backup_prune`` take it; empty without backups.

    :param passwords: passwords of databases by the names of their dumps, since the description holds none.
    """
    backup = platform["backup"]
    sources = _sources(backup, host)
    if not sources:
        return {}
    label = label_of(platform, host.name)
    return {
        "engine": backup["engine"],
        "restic": backup["restic"] or {},
        "platform": platform["name"],
        "host": host.name,
        "label": label,
        "destination": backup["directory"],
        "pattern": own_patterns(label),
        "compression": backup["compression"],
        "sources": [_given(source, ("name", "paths", "exclude", "max_age_days", "one_file_system")) for source in sources],
        # With a pattern they are about the backups of somebody else.
        "require": [] if _has_patterns(backup, sources) else _required(backup, sources),
        "dumps": backup_dumps(platform, host, passwords),
        "git": [platform["root"]] if host.concerns(platform["root_hosts"]) else [],
        "services": [item["unit"] for item in platform["services"] if item["unit"] and host.concerns(item["hosts"])],
        "keep": backup["keep"],
        "limits": _given(backup, _FIGURES),
        "accept": backup["accept"],
        "drill": {**backup["drill"], "run_as": backup["drill"]["run_as"] or platform["owner"], "accept": backup["accept"]},
    }


def backup_dumps(platform: dict[str, Any], host: Host, passwords: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the dumps of the databases and caches of ``host``; one of the roles besides for each PostgreSQL server."""
    databases = [database for database in platform["databases"] if database["backup"] and host.concerns(database["hosts"])]
    caches = [cache for cache in platform["caches"] if cache["backup"] and host.concerns(cache["hosts"])]
    dumps = [dump for database in databases for dump in _database_dumps(database)] + [_cache_dump(cache) for cache in caches]
    given = [{key: value for key, value in dump.items() if value not in ("", None)} for dump in dumps]
    # Two databases of one server share the dump of its roles; any others with one name are different things.
    named = _with_names_of_their_own([dump for index, dump in enumerate(given) if dump not in given[:index]])
    known = passwords or {}
    return [{**dump, "password": known[dump["name"]]} if known.get(dump["name"]) else dump for dump in named]


def own_patterns(label: str) -> list[str]:
    """Return shell patterns that the names of our archives with this label fit, and those of no other label."""
    return [f"{label}_{_TIME}{ending}" for ending in _ENDINGS]


def slug(text: str) -> str:
    """Return ``text`` in small letters, digits, underscores and dashes."""
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-") or "x"


def _sources(backup: dict[str, Any] | None, host: Host) -> list[dict[str, Any]]:
    if not backup or not host.concerns(backup["hosts"]):
        return []
    return [source for source in backup["sources"] if host.concerns(source["hosts"])]


def _has_patterns(backup: dict[str, Any], sources: list[dict[str, Any]]) -> bool:
    return bool(backup["pattern"] or any(source["pattern"] for source in sources))


def _required(backup: dict[str, Any], sources: list[dict[str, Any]]) -> list[str]:
    return [*backup["require"], *(pattern for source in sources for pattern in source["require"])]


def label_of(platform: dict[str, Any], host_name: str) -> str:
    """Return how the backups of a host are called."""
    given = platform["backup"]["label"] or slug(platform["name"])
    return f"{given}-{re.sub(r'[^A-Za-z0-9._-]+', '-', host_name)}"


def _database_dumps(database: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind, name = database["type"], database["name"]
    if kind == "sqlite":
        return [{"name": _dump_name(kind, database["path"], "sqlite"), "type": kind, "path": database["path"]}]
    where = {key: database[key] for key in ("host", "port", "user", "run_as")}
    server = f"{database['host']} {database['port'] or ''}"
    if kind == "mysql":
        return [{"name": _dump_name(kind, f"{name} {server}", "sql"), "type": kind, "database": name, **where}]
    return [
        {"name": _dump_name(kind, f"{name} {server}", "pgdump"), "type": kind, "database": name, **where},
        {"name": _dump_name(kind, f"globals {server}", "sql"), "type": "postgresql_globals", **where},
    ]


def _cache_dump(cache: dict[str, Any]) -> dict[str, Any]:
    url = urlsplit(cache["url"])
    port = None if url.scheme == "unix" else url.port or 6379
    where = url.path if url.scheme == "unix" else url.hostname
    name = _dump_name("redis", f"{where} {port or ''}", "rdb")
    return {"name": name, "type": "redis", "host": where, "port": port, "unit": cache["unit"], "data_directory": cache["data_directory"]}


def _dump_name(kind: str, what: str, ending: str) -> str:
    return f"{kind}-{slug(what)[:60]}.{ending}"


def _with_names_of_their_own(dumps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    taken: set[str] = set()
    named = []
    for dump in dumps:
        stem, _dot, ending = dump["name"].rpartition(".")
        name, number = dump["name"], 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}.{ending}"
        taken.add(name)
        named.append({**dump, "name": name})
    return named


def _group(backup: dict[str, Any], pattern: list[str], require: list[str], name: str = "") -> dict[str, Any]:
    group = {
        "name": name,
        "directory": backup["directory"],
        "pattern": pattern,
        "require": [*backup["require"], *require],
        "manifest": backup["manifest"] or "optional",
    }
    given = {key: value for key, value in group.items() if value}
    return {**given, **_given(backup, _FIGURES)}


def _given(described: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Leave out what the description does not say, so that the defaults of the modules hold."""
    return {key: described[key] for key in keys if described[key] is not None}
