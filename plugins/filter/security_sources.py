# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive what the security of a host is audited by from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: security_sources
version_added: 0.1.0
short_description: Derive what the security of a host is audited by from the description of its platform
description:
  - Returns who is expected to listen on the host, by the C(port) and C(unit) of its services, and what C(security) says, as
    M(upkeep.runbook.port_baseline), M(upkeep.runbook.process_audit), M(upkeep.runbook.file_integrity), M(upkeep.runbook.auth_failures)
    and M(upkeep.runbook.access_review) take it. Every key is there.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.port_baseline
  - module: upkeep.runbook.file_integrity
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See whether those listen whom the description names, and nobody else
  upkeep.runbook.port_baseline:
    expected: "{{ (upkeep_platform | upkeep.runbook.security_sources(inventory_hostname, group_names)).listeners }}"
"""

RETURN = r"""
_value:
  description: The keys C(listeners), C(service_users), C(paths), C(exclude), C(trusted_networks) and C(access).
  type: dict
  sample:
    listeners:
      - {port: 8081, unit: tick-backend.service}
    service_users: [neurosense]
    paths: [/opt/neurosensefx, /etc]
    exclude: ["*.log"]
    trusted_networks: [10.1.0.0/16]
    access: {sudo: [deploy]}
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def security_sources(description: Any, inventory_hostname: str, group_names: Any) -> dict[str, Any]:
    """Return what the security of one host is audited by."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils import platform_security

    return derived_items(platform_security.security_sources, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"security_sources": security_sources}
