# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the watched paths of a host from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: resource_paths
version_added: 0.1.0
short_description: Derive the watched paths of a host from the description of its platform
description:
  - Returns the paths whose file systems must not fill up, as M(upkeep.runbook.resource_metrics) takes them in
    O(upkeep.runbook.resource_metrics#module:paths).
  - These are V(/), the C(root) of the platform, the C(directory) of its backup and its C(watched_paths), each only on
    the hosts that the description names for it, and each once.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.resource_metrics
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Watch what the description says about this host, and the journal besides
  upkeep.runbook.resource_metrics:
    paths: >-
      {{ (upkeep_platform | upkeep.runbook.resource_paths(inventory_hostname, group_names))
         + [{'path': '/var/log/journal'}] }}
"""

RETURN = r"""
_value:
  description: Paths with V(/) first, without duplicates.
  type: list
  elements: dict
  sample:
    - {path: /}
    - {path: /opt/neurosensefx}
    - {path: /opt/backups/neurosensefx}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def resource_paths(description: Any, inventory_hostname: str, group_names: Any) -> list[dict[str, Any]]:
    """Return the watched paths of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import watched_paths

    return derived_items(watched_paths, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"resource_paths": resource_paths}
