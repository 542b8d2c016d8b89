# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive the probes of a host from the description of its platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: health_probes
version_added: 0.1.0
short_description: Derive the probes of a host from the description of its platform
description:
  - Returns one probe for each thing that the description says about the services of a host, as
    M(upkeep.runbook.health_probe) takes them. A service whose C(hosts) name neither the host nor one of its groups is
    left out.
  - A probe has the name of its service. C(unit), C(pm2), C(process), C(port), C(http), C(websocket) and C(tcp) each
    give a probe of that type; C(upstream) gives a C(tcp) probe named C(<service> upstream).
  - The probe of a port expects the listener to belong to the unit of the service, otherwise to its process, otherwise
    to the user of its PM2 or of the service.
  - Each probe has a C(hint), the next step when it is not ok. That is the C(hint) of the service, otherwise how to read
    its log as C(unit), C(pm2) or C(logs) say where it is.
positional: _input, inventory_hostname, group_names
author:
  - upkeep.runbook contributors
extends_documentation_fragment:
  - upkeep.runbook.described_host
seealso:
  - module: upkeep.runbook.health_probe
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Probe what the description says about this host, and a name server besides
  upkeep.runbook.health_probe:
    probes: >-
      {{ (upkeep_platform | upkeep.runbook.health_probes(inventory_hostname, group_names))
         + [{'name': 'name server', 'type': 'dns', 'host': 'www.example.com'}] }}
"""

RETURN = r"""
_value:
  description: Probes in the order of the description; empty when no service is on the host.
  type: list
  elements: dict
  sample:
    - name: tick-backend
      type: port
      port: 8081
      unit: tick-backend.service
      hint: "Read its log: journalctl -u tick-backend.service -n 100"
    - name: tick-backend upstream
      type: tcp
      host: live.ctraderapi.com
      port: 5035
      tls: true
      hint: tick-backend cannot work without live.ctraderapi.com:5035; look at the network, then ask who runs it.
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.plugin_utils.described_host import derived_items


def health_probes(description: Any, inventory_hostname: str, group_names: Any) -> list[dict[str, Any]]:
    """Return the probes of the services of one host."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import service_probes

    return derived_items(service_probes, description, inventory_hostname, group_names)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"health_probes": health_probes}
