# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the projects of Node.js on a host from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dependency_projects
version_added: 0.1.0
short_description: Derive the projects of Node.js on a host from the description of its platform
description:
  - Returns the folders of the C(node_projects) that the description names for the host, each once, as
    M(upkeep.runbook.npm_audit) takes them in O(upkeep.runbook.npm_audit#module:projects).
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.npm_audit
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Audit what the description says about this host, and one project besides
  upkeep.runbook.npm_audit:
    projects: >-
      {{ (upkeep_platform | upkeep.runbook.dependency_projects(inventory_hostname, group_names))
         + ['/srv/tools'] }}
"""

RETURN = r"""
_value:
  description: Absolute paths in the order of the description, without duplicates.
  type: list
  elements: str
  sample: [/opt/neurosensefx, /opt/neurosensefx/services/tick-backend]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def dependency_projects(description: Any, inventory_hostname: str, group_names: Any) -> list[str]:
    """Return the projects of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_dependencies import node_projects

    return derived_items(node_projects, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"dependency_projects": dependency_projects}
