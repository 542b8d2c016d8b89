# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive which secrets of a host can be rotated from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_plan
version_added: 0.1.0
short_description: Derive which secrets of a host can be rotated from the description of its platform
description:
  - Returns the secrets of one host that its services name under C(rotate), and the services that must be restarted afterwards, in the order in
    which they are started.
positional: _input, inventory_hostname, group_names, groups, named
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
options:
  groups:
    description: The hosts of each group of the inventory, C(groups). A secret that several hosts have is told by it.
    type: dict
    default: {}
  named:
    description: Keys, or words under C(shared), of the secrets that are meant, as a list or a text with commas. All without any.
    type: raw
    default: []
seealso:
  - module: upkeep.runbook.secret_rotate
"""

EXAMPLES = r"""
- name: Say which secrets of this host can be rotated
  ansible.builtin.debug:
    msg: "{{ upkeep_platform | upkeep.runbook.secret_plan(inventory_hostname, group_names, groups) }}"
"""

RETURN = r"""
_value:
  description:
    - C(secrets), each with C(name), C(names), C(places), C(services), C(hosts), C(per_host), C(encoding), C(bytes) and C(characters).
    - C(requests), the same as M(upkeep.runbook.secret_rotate) takes them; C(names) of all secrets of the platform; C(problems), why they must not be
      rotated; C(services), C(probes) and C(health_seconds) of the host.
  type: dict
  sample:
    secrets: [{name: JWT_SECRET, places: [{path: /opt/neurosensefx/.env, key: JWT_SECRET}], services: [tick-backend], hosts: [app-1]}]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def secret_plan(description: Any, inventory_hostname: str, group_names: Any, groups: Any = None, named: Any = None) -> dict[str, Any]:
    """Return what can be rotated on one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.block_requests import named as named_items
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_secrets import secret_plan as plan_of_host

    names = named_items(native_value(named))
    known = native_value({name: list(hosts) for name, hosts in (groups or {}).items()})
    return derived_items(lambda platform, host: plan_of_host(platform, host, known, names), description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"secret_plan": secret_plan}
