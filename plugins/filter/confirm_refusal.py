# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell why something that restricts hosts must not begin."""

from __future__ import annotations

DOCUMENTATION = r"""
name: confirm_refusal
version_added: 0.1.0
short_description: Tell why something that restricts hosts must not begin
description:
  - Returns the reason, or an empty text when it was confirmed with the name of the platform. Check mode goes without it, but not with a wrong one.
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: What the person who starts it typed.
    type: str
    required: true
  platform:
    description: Name of the platform.
    type: str
    required: true
  what:
    description: What is to begin, as the begin of a sentence.
    type: str
    required: true
  check_mode:
    description: Whether the run is in check mode.
    type: bool
    default: false
seealso:
  - plugin: upkeep.runbook.incident_refusal
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse what nobody has confirmed
  ansible.builtin.assert:
    that: >-
      'NeuroSense FX' | upkeep.runbook.confirm_refusal(platform='NeuroSense FX', what='updating the rules') | length == 0
"""

RETURN = r"""
_value:
  description: Why, or an empty text.
  type: str
"""

from collections.abc import Callable
from typing import Any


def confirm_refusal(confirm: Any, platform: Any, what: Any, check_mode: Any = False) -> str:
    """Return why it must not begin."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents import steps

    return steps.confirm_refusal(str(what), confirm=str(confirm), platform=str(platform), check_mode=bool(check_mode))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"confirm_refusal": confirm_refusal}
