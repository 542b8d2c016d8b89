# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Derive who is told from the description of a platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_contacts
version_added: 0.1.0
short_description: Derive who is told from the description of a platform
description:
  - Returns the C(contacts) of the description, checked and with every key, as M(upkeep.runbook.notify) takes them in
    O(upkeep.runbook.notify#module:contacts).
  - Channels that only people can use, such as a telephone, are left out, and so are contacts that have no other.
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The description, usually C(upkeep_platform). One that is empty has no contacts.
    type: raw
    required: true
seealso:
  - module: upkeep.runbook.notify
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who can be told?
  ansible.builtin.debug:
    msg: "{{ upkeep_platform | upkeep.runbook.notify_contacts | map(attribute='role') }}"
"""

RETURN = r"""
_value:
  description: The contacts.
  type: list
  elements: dict
  sample:
    - role: primary_administrator
      audiences: [operations]
      level: 1
      order: 1
      channels: [{type: mail, address: operations@example.com}]
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError


def notify_contacts(description: Any) -> list[dict[str, Any]]:
    """Return the contacts that can be sent something."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import sendable_contacts
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform

    written = native_value(description)
    if not written:
        return []
    try:
        return sendable_contacts(validate_platform(written).platform)
    except UpkeepError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"notify_contacts": notify_contacts}
