# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the groups of backups of a host from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_groups
version_added: 0.1.0
short_description: Derive the backups that a host keeps from the description of its platform
description:
  - Returns the groups of backups to verify, as M(upkeep.runbook.backup_verify) takes them in
    O(upkeep.runbook.backup_verify#module:backups).
  - Each source of C(backup) with a C(pattern) of its own is a group. The whole C(backup) is one when it has a C(pattern), or
    when no source has one.
  - A host that C(backup.hosts) does not name, or that has none of the sources, has none.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.backup_verify
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Verify what the description says about this host, and a dump besides
  upkeep.runbook.backup_verify:
    backups: >-
      {{ (upkeep_platform | upkeep.runbook.backup_groups(inventory_hostname, group_names))
         + [{'path': '/var/backups/database/latest.sql.gz'}] }}
"""

RETURN = r"""
_value:
  description: Groups of backups; the one of the whole backup first.
  type: list
  elements: dict
  sample:
    - directory: /opt/backups/neurosensefx
      pattern: [comprehensive_backup_*.tar.gz]
      require: ["*/application.tar.gz/package.json"]
      max_age_hours: 26.0
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def backup_groups(description: Any, inventory_hostname: str, group_names: Any) -> list[dict[str, Any]]:
    """Return the groups of backups of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_groups as groups_of_host

    return derived_items(groups_of_host, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_groups": backup_groups}
