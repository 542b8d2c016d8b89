# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the access logs of a host from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: access_log_groups
version_added: 0.1.0
short_description: Derive the access logs of a host from the description of its platform
description:
  - Returns a group for each entry of C(web_logs) that concerns the host, as M(upkeep.runbook.access_log_stats) takes them in
    O(upkeep.runbook.access_log_stats#module:groups).
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.access_log_stats
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the access logs that the description says this host has, and at one more
  upkeep.runbook.access_log_stats:
    groups: >-
      {{ (upkeep_platform | upkeep.runbook.access_log_groups(inventory_hostname, group_names))
         + [{'paths': ['/opt/api/logs/access.json'], 'format': 'json'}] }}
"""

RETURN = r"""
_value:
  description: Groups of access logs, in the order of the description.
  type: list
  elements: dict
  sample:
    - name: www.example.com
      paths: [/var/log/nginx/access.log*]
      trusted_proxies: [10.0.0.0/8]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def access_log_groups(description: Any, inventory_hostname: str, group_names: Any) -> list[dict[str, Any]]:
    """Return the groups of access logs of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_web_logs import access_log_groups as groups_of

    return derived_items(groups_of, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"access_log_groups": access_log_groups}
