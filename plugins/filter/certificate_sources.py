# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive where the certificates of a host are from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_sources
version_added: 0.1.0
short_description: Derive where the certificates of a host are from the description of its platform
description:
  - Returns what the description says about certificates, as the options of M(upkeep.runbook.cert_expiry) take it. Every
    key is there; for a host that the C(hosts) of C(certificates) do not name, each is empty.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.cert_expiry
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the files that the description names for this host
  upkeep.runbook.cert_expiry:
    paths: "{{ (upkeep_platform | upkeep.runbook.certificate_sources(inventory_hostname, group_names)).paths }}"
"""

RETURN = r"""
_value:
  description: The options C(paths), C(private_keys), C(endpoints), C(served_by) and C(ca_file).
  type: dict
  sample:
    paths: [/etc/letsencrypt/live/*/fullchain.pem]
    private_keys: [/etc/letsencrypt/live/*/privkey.pem]
    endpoints:
      - {host: www.example.com, port: 443}
    served_by:
      - path: /etc/letsencrypt/live/www.example.com/fullchain.pem
        endpoint: {host: www.example.com, port: 443}
    ca_file: ""
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def certificate_sources(description: Any, inventory_hostname: str, group_names: Any) -> dict[str, Any]:
    """Return where the certificates of one host are."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils import platform_certificates

    return derived_items(platform_certificates.certificate_sources, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"certificate_sources": certificate_sources}
