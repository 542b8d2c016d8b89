# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the logs of a host, and how their writers are told, from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: log_groups
version_added: 0.1.0
short_description: Derive the logs of a host, and how their writers are told, from the description of its platform
description:
  - Returns a group of logs for each service of the host that has C(logs), as M(upkeep.runbook.log_rotate) takes them in
    O(upkeep.runbook.log_rotate#module:groups).
  - The writer is told as the C(reopen) of the service says. A signal goes to the process of its C(pid_file), otherwise of the
    C(unit) or the C(process) of the service. A service of PM2 without C(reopen) is told through PM2.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.log_rotate
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Rotate the logs that the description says this host has, and one more
  upkeep.runbook.log_rotate:
    groups: >-
      {{ (upkeep_platform | upkeep.runbook.log_groups(inventory_hostname, group_names))
         + [{'paths': ['/opt/legacy/out.log'], 'method': 'copytruncate'}] }}
"""

RETURN = r"""
_value:
  description: Groups of logs, in the order of the services.
  type: list
  elements: dict
  sample:
    - name: tick-backend
      paths: [/opt/neurosensefx/logs/backend.log]
      reopen: {signal: USR1, unit: tick-backend.service}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def log_groups(description: Any, inventory_hostname: str, group_names: Any) -> list[dict[str, Any]]:
    """Return the groups of logs of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_logs import log_groups as groups_of

    return derived_items(groups_of, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"log_groups": log_groups}
