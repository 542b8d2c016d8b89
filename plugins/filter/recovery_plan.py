# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive what is brought back on a host after a disaster from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recovery_plan
version_added: 0.1.0
short_description: Derive what is brought back on a host after a disaster from the description of its platform
description:
  - Returns the targets, databases, files with secrets and services of one host, in the order in which they are started.
  - A host without backups has no recovery; the result is then empty.
positional: _input, inventory_hostname, group_names, passwords, backup_host
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
options:
  passwords:
    description: Passwords of databases by the names of their dumps; the description holds none.
    type: dict
    default: {}
  backup_host:
    description: Name of the host when its backup was made, when it had another; the backups are called by it.
    type: str
    default: ""
seealso:
  - plugin: upkeep.runbook.backup_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what a recovery of this host brings back
  ansible.builtin.debug:
    msg: "{{ upkeep_platform | upkeep.runbook.recovery_plan(inventory_hostname, group_names) }}"
"""

RETURN = r"""
_value:
  description:
    - C(platform), C(host), C(owner), C(label), C(engine), C(directory), C(pattern), C(targets), C(dumps),
      C(database_units), C(maintenance_file), C(env_files), C(configuration_checks), C(node_projects), C(services), C(unmanaged), C(probes), C(inner_probes),
      C(python_modules), C(health_seconds) and C(health_consecutive).
  type: dict
  sample:
    targets: [/opt/neurosensefx, /etc/nginx]
    env_files: [{path: /opt/neurosensefx/.env, required_keys: [NODE_ENV], mode: "0600", owner: neurosense}]
    services: [{name: tick-backend, unit: tick-backend.service, pm2: "", user: neurosense}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def recovery_plan(
    description: Any, inventory_hostname: str, group_names: Any, passwords: Any = None, backup_host: Any = ""
) -> dict[str, Any]:
    """Return what a recovery of one host takes."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_recovery import recovery_plan as plan_of_host

    known = native_value(passwords or {})
    return derived_items(
        lambda platform, host: plan_of_host(platform, host, known, str(backup_host or "")), description, inventory_hostname, group_names
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"recovery_plan": recovery_plan}
