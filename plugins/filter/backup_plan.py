# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive what is backed up of a host, and how, from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_plan
version_added: 0.1.0
short_description: Derive what is backed up of a host, and how, from the description of its platform
description:
  - Returns what making and pruning the backups of one host needs.
  - The dumps are those of the C(databases) and C(caches) of the host, and one of the roles of each PostgreSQL server.
  - A host that C(backup.hosts) does not name, or that has none of the sources, has none; the result is then empty.
positional: _input, inventory_hostname, group_names, passwords
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
options:
  passwords:
    description: Passwords of databases by the names of their dumps; the description holds none.
    type: dict
    default: {}
seealso:
  - plugin: upkeep.runbook.backup_groups
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what is backed up of this host
  ansible.builtin.debug:
    msg: "{{ upkeep_platform | upkeep.runbook.backup_plan(inventory_hostname, group_names) }}"
"""

RETURN = r"""
_value:
  description:
    - C(engine), C(restic), C(platform), C(host), C(label), C(destination), C(pattern) (of our own archives), C(compression),
      C(sources), C(require), C(dumps), C(git), C(services), C(keep), C(limits) and C(drill).
  type: dict
  sample:
    engine: archive
    label: neurosense-fx-app-1
    destination: /opt/backups/neurosensefx
    sources: [{name: application, paths: [/opt/neurosensefx], exclude: [node_modules], one_file_system: true}]
    dumps: [{name: postgresql-neurosense.pgdump, type: postgresql, database: neurosense}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def backup_plan(description: Any, inventory_hostname: str, group_names: Any, passwords: Any = None) -> dict[str, Any]:
    """Return what is backed up of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_plan as plan_of_host

    known = native_value(passwords or {})
    return derived_items(
        lambda platform, host: plan_of_host(platform, host, known), description, inventory_hostname, group_names
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"backup_plan": backup_plan}
