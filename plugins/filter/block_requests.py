# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn addresses as somebody types them into entries that name an incident."""

from __future__ import annotations

DOCUMENTATION = r"""
name: block_requests
version_added: 0.1.0
short_description: Turn addresses as somebody types them into entries that name an incident
description:
  - Returns entries for O(upkeep.runbook.ip_block#module:entries). The reason of each begins with the incident, by which
    P(upkeep.runbook.of_incident#filter) finds it again.
positional: _input, incident
author:
  - upkeep.runbook contributors
options:
  _input:
    description:
      - Addresses and networks, as a list or a text with commas. One in a list may also be a dictionary with C(address), C(reason) and
        C(timeout_seconds).
    type: raw
    required: true
  incident:
    description: Id of the incident.
    type: str
    required: true
seealso:
  - module: upkeep.runbook.ip_block
"""

EXAMPLES = r"""
- name: Block what was typed
  upkeep.runbook.ip_block:
    entries: "{{ '192.0.2.7, 198.51.100.0/24' | upkeep.runbook.block_requests('INC-42') }}"
"""

RETURN = r"""
_value:
  description: The entries.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any


def block_requests(wanted: Any, incident: Any) -> list[dict[str, Any]]:
    """Return the entries."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents import block_requests as incidents
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    return incidents.block_requests(native_value(wanted), str(incident))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"block_requests": block_requests}
