# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which backups of the platform a host keeps, as ``backup_verify`` takes them."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

_FIGURES = ("max_age_hours", "min_bytes", "max_shrink_percent")


def backup_groups(platform: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return the groups of backups that ``host`` keeps: one for each source with a pattern of its own, else one for all.

    With a ``pattern`` of the whole backup there is that group besides. A host that has none of the sources has no backups.
    """
    backup = platform["backup"]
    if not backup or not host.concerns(backup["hosts"]):
        return []
    sources = [source for source in backup["sources"] if host.concerns(source["hosts"])]
    groups = [
        _group(backup, source["pattern"], source["require"], name=source["name"]) for source in sources if source["pattern"]
    ]
    if sources and (backup["pattern"] or not groups):
        groups.insert(0, _group(backup, backup["pattern"], []))
    return groups


def _group(backup: dict[str, Any], pattern: list[str], require: list[str], name: str = "") -> dict[str, Any]:
    group = {"name": name, "directory": backup["directory"], "pattern": pattern, "require": [*backup["require"], *require]}
    given = {key: value for key, value in group.items() if value}
    return {**given, **{key: backup[key] for key in _FIGURES if backup[key] is not None}}
