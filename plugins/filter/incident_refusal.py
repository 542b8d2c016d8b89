# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell why steps of acting in a security incident must not begin."""

from __future__ import annotations

DOCUMENTATION = r"""
name: incident_refusal
version_added: 0.1.0
short_description: Tell why steps of acting in a security incident must not begin
description:
  - Returns the reason, or an empty text when they may begin.
  - Every step needs the id of an incident. C(isolate), C(block) and C(release) are confirmed with the name of the platform.
    Check mode goes without it, but not with a wrong one.
  - C(release) goes with neither C(isolate) nor C(block).
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The steps, as P(upkeep.runbook.incident_steps#filter) returns them.
    type: list
    elements: str
    required: true
  incident:
    description: Id of the incident, which every step needs.
    type: str
    required: true
  confirm:
    description: What the person who starts it typed.
    type: str
    required: true
  platform:
    description: Name of the platform.
    type: str
    required: true
  check_mode:
    description: Whether the run is in check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Refuse what nobody has confirmed
  ansible.builtin.assert:
    that: >-
      ['isolate'] | upkeep.runbook.incident_refusal(incident='INC-42', confirm='NeuroSense FX', platform='NeuroSense FX') | length == 0
"""

RETURN = r"""
_value:
  description: Why, or an empty text.
  type: str
"""

from collections.abc import Callable
from typing import Any


def incident_refusal(steps: Any, incident: Any, confirm: Any, platform: Any, check_mode: Any = False) -> str:
    """Return why the steps must not begin."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import refusal

    return refusal(
        [str(step) for step in steps], incident=str(incident), confirm=str(confirm), platform=str(platform), check_mode=bool(check_mode)
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"incident_refusal": incident_refusal}
