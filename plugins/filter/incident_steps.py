# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell which steps of acting in a security incident the tags of a run choose."""

from __future__ import annotations

DOCUMENTATION = r"""
name: incident_steps
version_added: 0.1.0
short_description: Tell which steps of acting in a security incident the tags of a run choose
description:
  - Returns those of C(evidence), C(isolate), C(block), C(rotate), C(sweep), C(verify) and C(release), in their order. C(release) is chosen only by
    its name, and so is C(rotate) unless secrets are named.
positional: _input, skip_tags, secrets
author:
  - upkeep.runbook contributors
options:
  _input:
    description: C(ansible_run_tags).
    type: list
    elements: str
    required: true
  skip_tags:
    description: C(ansible_skip_tags).
    type: list
    elements: str
    default: []
  secrets:
    description: Names of secrets that are to be rotated, as a list or a text with commas.
    type: raw
    default: []
"""

EXAMPLES = r"""
- name: Show what the run does
  ansible.builtin.debug:
    msg: "{{ ansible_run_tags | upkeep.runbook.incident_steps(ansible_skip_tags) }}"
"""

RETURN = r"""
_value:
  description: The steps.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any


def incident_steps(run_tags: Any, skip_tags: Any = (), secrets: Any = ()) -> list[str]:
    """Return the steps that are chosen."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import chosen_steps

    return chosen_steps([str(tag) for tag in run_tags], [str(tag) for tag in skip_tags], rotates=bool(secrets))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"incident_steps": incident_steps}
