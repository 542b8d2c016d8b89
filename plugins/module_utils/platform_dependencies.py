# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which projects of Node.js of a normalized platform description are on one host."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host


def node_projects(platform: dict[str, Any], host: Host) -> list[str]:
    """Return the folders of the projects on ``host``, in the order of the description and without duplicates."""
    paths = [item["path"] for item in platform["node_projects"] if host.concerns(item["hosts"])]
    return list(dict.fromkeys(paths))
