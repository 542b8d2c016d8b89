# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn what rotating secrets left into check results and entries for the custody log."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret_outcome
version_added: 0.1.0
short_description: Turn what rotating secrets left into check results and entries for the custody log
description:
  - Returns C(changed), C(checks) and C(steps), for the role C(secrets). Where nothing was to be done it says so as a skipped task does.
  - The first check, C(secrets.result), says what was rotated, forgotten, refused or put back. Those of the module follow.
  - C(steps) has C(step), C(outcome), C(summary) and C(details) of each step, as M(upkeep.runbook.custody_log) takes them.
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The steps that the run chose, of V(rotate) and V(release).
    type: list
    elements: str
    required: true
  results:
    description: >-
      What the calls returned, under C(rotated), C(confirmed) and C(forgotten), the names of services, under C(restarted) and C(idle), and what
      was said of probes that were not well before, under C(unjudged).
    type: dict
    required: true
  incident:
    description: Id of the incident.
    type: str
    required: true
  check_mode:
    description: Nothing was done.
    type: bool
    default: false
  failure:
    description: >-
      After a failure the C(step), V(preflight) when nothing was touched, the C(msg), and C(put_back), results of what was put back, under
      C(files), C(services) and C(health).
    type: dict
    default: {}
seealso:
  - module: upkeep.runbook.secret_rotate
"""

EXAMPLES = r"""
- name: Say what became of it
  ansible.builtin.debug:
    msg: "{{ ['rotate'] | upkeep.runbook.secret_outcome(results={'rotated': rotated}, incident='INC-42') }}"
"""

RETURN = r"""
_value:
  description: What the role leaves for the report.
  type: dict
"""

from collections.abc import Callable
from typing import Any


def secret_outcome(steps: Any, results: Any, incident: Any, check_mode: Any = False, failure: Any = None) -> dict[str, Any]:
    """Return what the role leaves for the report."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents import secret_outcome as incidents
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    return incidents.secret_outcome(
        native_value(steps), native_value(results), incident=str(incident), check_mode=bool(check_mode), failure=native_value(failure or {}),
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"secret_outcome": secret_outcome}
