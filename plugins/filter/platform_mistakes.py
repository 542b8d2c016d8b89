# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say what is wrong with the description of a platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_mistakes
version_added: 0.1.0
short_description: Say what is wrong with the description of a platform
description:
  - Checks a description as P(upkeep.runbook.platform#filter) does, and returns the message instead of failing with it.
    A filter that fails is reported with the expression around it, three times over; a person wants the sentence.
  - What is no mistake but deserves a look is printed as a warning, such as names under V(example.com) or a group
    without hosts.
positional: _input, groups
author:
  - upkeep.runbook contributors
options:
  _input:
    description:
      - The description. Use C(upkeep_platform | default(none)) for a variable that may be undefined; the message then
        says what to write.
    type: raw
    required: true
  groups:
    description:
      - The groups of the inventory with their hosts, usually C(groups).
      - When given, each name under a C(hosts) key of the description must be a host or group among them.
    type: dict
seealso:
  - plugin: upkeep.runbook.platform
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse a platform description with mistakes
  ansible.builtin.fail:
    msg: "{{ mistakes }}"
  when: mistakes | length > 0
  vars:
    mistakes: "{{ upkeep_platform | default(none) | upkeep.runbook.platform_mistakes(groups) }}"
"""

RETURN = r"""
_value:
  description: One message that names every mistake; empty when there is none.
  type: str
  sample: 'upkeep_platform is wrong: services[1].prot: unknown key; did you mean "port"? accepted: name, hosts, port'
"""

from collections.abc import Callable
from typing import Any

from ansible.utils.display import Display


def platform_mistakes(description: Any, groups: Any = None) -> str:
    """Return what is wrong, or an empty text; print what deserves a look as a warning."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform

    try:
        validated = validate_platform(native_value(description), groups=native_value(groups))
    except UpkeepError as error:
        return error.message
    for warning in validated.warnings:
        # Ansible prints the same warning once, however many hosts ask.
        Display().warning(f"upkeep_platform: {warning}.")
    return ""


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"platform_mistakes": platform_mistakes}
