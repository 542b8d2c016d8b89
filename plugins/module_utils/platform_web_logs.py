# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a platform description says about the access logs of a host, as ``access_log_stats`` takes it."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

_KEYS = (
    "name", "paths", "error_paths", "format", "fields", "trusted_proxies", "exclude_routes", "exclude_agents", "auth_routes", "objective_percent",
)  # fmt: skip
_NOT_GIVEN: tuple[Any, ...] = ("", [], {}, None)


def access_log_groups(platform: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """Return a group for each entry of ``web_logs`` that concerns ``host``, with the keys that were given."""
    return [{key: log[key] for key in _KEYS if log[key] not in _NOT_GIVEN} for log in platform["web_logs"] if host.concerns(log["hosts"])]
