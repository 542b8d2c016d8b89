# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check and normalize the description of a platform."""

from __future__ import annotations

DOCUMENTATION = r"""
name: platform
version_added: 0.1.0
short_description: Check and normalize the description of a platform
description:
  - Reads what the inventory says in C(upkeep_platform) and returns it with every key present, defaults filled in, and
    types made right, so that V("8081") becomes V(8081).
  - Every mistake is named in one message, by its path, index and key, with what is accepted instead. Unknown keys,
    placeholders such as V([Name]), V(your-domain.com) and V(changeme), and whatever looks like a secret are mistakes.
  - C(docs/platform.md) of the collection explains every key.
positional: _input, groups
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The description, usually C(upkeep_platform).
    type: raw
    required: true
  groups:
    description:
      - The groups of the inventory with their hosts, usually C(groups).
      - When given, each name under a C(hosts) key of the description must be a host or group among them.
    type: dict
notes:
  - Use P(upkeep.runbook.platform_mistakes#filter) to tell a person what is wrong, without the frames of a failed template.
seealso:
  - plugin: upkeep.runbook.platform_mistakes
    plugin_type: filter
  - plugin: upkeep.runbook.health_probes
    plugin_type: filter
  - plugin: upkeep.runbook.resource_paths
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say on which port the first service listens
  ansible.builtin.debug:
    msg: "{{ (upkeep_platform | upkeep.runbook.platform).services[0].port }}"

- name: Name all services
  ansible.builtin.debug:
    msg: "{{ (upkeep_platform | upkeep.runbook.platform(groups)).services | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description:
    - The description, normalized.
    - An option that was left out has its default or, without one, an empty text or list, and V(null) for numbers and
      dictionaries.
  type: dict
  sample:
    name: NeuroSense FX
    root: /opt/neurosensefx
    owner: neurosense
    services: []
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError


def platform(description: Any, groups: Any = None) -> dict[str, Any]:
    """Return the description normalized."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform

    try:
        return validate_platform(native_value(description), groups=native_value(groups)).platform
    except UpkeepError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"platform": platform}
