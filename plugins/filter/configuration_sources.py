# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive what the security configuration of a host is looked at by from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: configuration_sources
version_added: 0.1.0
short_description: Derive what the security configuration of a host is looked at by from the description of its platform
description:
  - Returns files that hold secrets, servers that speak TLS and paths of requests that must have a limit, as
    M(upkeep.runbook.security_configuration) takes them. Every key is there.
  - Secrets are those of C(security.private_files), and, where they are there, C(.env) files of C(root) and of the Node.js projects, private keys of
    the certificates and C(env_files) of the recovery.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.security_configuration
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: See whether the servers of the platform still take old versions of TLS
  upkeep.runbook.security_configuration:
    parts: [tls]
    endpoints: "{{ (upkeep_platform | upkeep.runbook.configuration_sources(inventory_hostname, group_names)).endpoints }}"
"""

RETURN = r"""
_value:
  description: The keys C(secrets), C(endpoints) and C(limited_paths).
  type: dict
  sample:
    secrets:
      - {path: /etc/neurosensefx/keys/*, owner: neurosense}
      - {path: /opt/neurosensefx/.env, optional: true}
    endpoints:
      - {host: www.example.com, port: 443}
    limited_paths: [/api/login]
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def configuration_sources(description: Any, inventory_hostname: str, group_names: Any) -> dict[str, Any]:
    """Return what the security configuration of one host is looked at by."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils import platform_configuration

    return derived_items(platform_configuration.configuration_sources, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"configuration_sources": configuration_sources}
