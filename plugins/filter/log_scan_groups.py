# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive which logs of a host are scanned from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: log_scan_groups
version_added: 0.1.0
short_description: Derive which logs of a host are scanned from the description of its platform
description:
  - Returns a group for each service of the host that has C(logs), as M(upkeep.runbook.log_scan) takes them in
    O(upkeep.runbook.log_scan#module:groups). For a service without C(logs) that is a C(unit) of systemd, the group is what the
    journal holds of that unit.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.log_scan
  - plugin: upkeep.runbook.log_groups
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Scan the logs that the description says this host has, and those of the web server
  upkeep.runbook.log_scan:
    groups: >-
      {{ (upkeep_platform | upkeep.runbook.log_scan_groups(inventory_hostname, group_names))
         + [{'name': 'nginx', 'paths': ['/var/log/nginx/error.log']}] }}
"""

RETURN = r"""
_value:
  description: Groups of logs, in the order of the services.
  type: list
  elements: dict
  sample:
    - name: tick-backend
      paths: [/opt/neurosensefx/logs/backend.log]
    - name: redis
      journal: {units: [redis-server.service]}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def log_scan_groups(description: Any, inventory_hostname: str, group_names: Any) -> list[dict[str, Any]]:
    """Return the groups of logs of one host that are scanned."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_logs import scanned_groups

    return derived_items(scanned_groups, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"log_scan_groups": log_scan_groups}
