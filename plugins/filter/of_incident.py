# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose the blocks or accounts whose reason is an incident."""

from __future__ import annotations

DOCUMENTATION = r"""
name: of_incident
version_added: 0.1.0
short_description: Choose the blocks or accounts whose reason is an incident
description:
  - Returns the addresses or users of those rows whose C(reason) is the incident, or begins with it and a colon.
positional: _input, incident, key
author:
  - upkeep.runbook contributors
options:
  _input:
    description: >-
      RV(upkeep.runbook.ip_block#module:blocked) or RV(upkeep.runbook.account_containment#module:accounts).
    type: list
    elements: dict
    required: true
  incident:
    description: Id of the incident.
    type: str
    required: true
  key:
    description: What to return of each, V(address) or V(user).
    type: str
    required: true
seealso:
  - plugin: upkeep.runbook.block_requests
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what was blocked for an incident
  ansible.builtin.debug:
    msg: "{{ found.blocked | upkeep.runbook.of_incident('INC-42', 'address') }}"
"""

RETURN = r"""
_value:
  description: The addresses or users.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any


def of_incident(rows: Any, incident: Any, key: Any) -> list[str]:
    """Return the addresses or users."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents import block_requests
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    return block_requests.of_incident(native_value(rows), str(incident), str(key))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"of_incident": of_incident}
