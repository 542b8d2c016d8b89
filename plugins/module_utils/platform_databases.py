# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about the databases and caches of a host, as ``database_metrics`` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

_KEYS = ("type", "database", "path", "host", "port", "user", "password", "run_as")


def looked_at_databases(platform: dict[str, Any], host: Host, passwords: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the databases and caches of ``host``, those that are not backed up too, reached as for their dumps.

    :param passwords: by the names of their dumps, since the description holds none.
    """
    everything = {
        **platform,
        **{kind: [{**item, "backup": True} for item in platform[kind]] for kind in ("databases", "caches")},
    }
    dumps = [dump for dump in backup_dumps(everything, host, passwords) if dump["type"] != "postgresql_globals"]
    secured = [urlsplit(cache["url"]) for cache in platform["caches"] if cache["url"].startswith("rediss:")]
    places = {(url.hostname, url.port or 6379) for url in secured}
    found: list[dict[str, Any]] = []
    for dump in dumps:
        tls = {"tls": True} if dump["type"] == "redis" and (dump.get("host"), dump.get("port")) in places else {}
        entry = {**{key: dump[key] for key in _KEYS if key in dump}, **tls}
        if entry not in found:  # two caches of one server are the same server
            found.append(entry)
    return found
