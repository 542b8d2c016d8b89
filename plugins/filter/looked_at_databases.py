# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the databases and caches of a host from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: looked_at_databases
version_added: 0.1.0
short_description: Derive the databases and caches of a host from the description of its platform
description:
  - Returns the C(databases) and C(caches) that concern the host, also those that are not backed up, as
    M(upkeep.runbook.database_metrics) takes them in O(upkeep.runbook.database_metrics#module:databases).
positional: _input, inventory_hostname, group_names, passwords
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
options:
  passwords:
    description:
      - Passwords of databases by the names of their dumps, as P(upkeep.runbook.backup_plan#filter) takes them; the description
        holds none.
    type: dict
    default: {}
seealso:
  - module: upkeep.runbook.database_metrics
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the databases that the description says this host has
  upkeep.runbook.database_metrics:
    databases: "{{ upkeep_platform | upkeep.runbook.looked_at_databases(inventory_hostname, group_names) }}"
"""

RETURN = r"""
_value:
  description: Databases, then caches, in the order of the description.
  type: list
  elements: dict
  sample:
    - {type: postgresql, database: neurosense}
    - {type: redis, host: 127.0.0.1, port: 6379}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def looked_at_databases(
    description: Any, inventory_hostname: str, group_names: Any, passwords: Any = None
) -> list[dict[str, Any]]:
    """Return the databases and caches of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_databases import looked_at_databases as databases_of

    known = native_value(passwords or {})
    return derived_items(
        lambda platform, host: databases_of(platform, host, known), description, inventory_hostname, group_names
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"looked_at_databases": looked_at_databases}
