# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn what the parts of a self-test left into check results."""

from __future__ import annotations

DOCUMENTATION = r"""
name: selftest_outcome
version_added: 0.1.0
short_description: Turn what the parts of a self-test left into check results
description:
  - Returns C(changed) and C(checks), C(selftest.block), C(selftest.files), C(selftest.alert), C(selftest.key) and C(selftest.jail),
    for the role C(selftest).
  - A part that could not be tried to its end is V(unknown); one whose alarm did not ring is V(critical).
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The parts, V(block), V(files), V(alert), V(key) and V(jail).
    type: list
    elements: str
    required: true
  results:
    description: For each part what its calls returned, and C(failure), why it could not be tried to its end.
    type: dict
    required: true
  subjects:
    description: For each part what it is about.
    type: dict
    default: {}
  check_mode:
    description: Nothing was tried.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say whether the alarm rings
  ansible.builtin.debug:
    msg: "{{ ['alert'] | upkeep.runbook.selftest_outcome(results={'alert': {'told': notify_result}}) }}"
"""

RETURN = r"""
_value:
  description: What the role leaves for the report.
  type: dict
"""

from collections.abc import Callable
from typing import Any


def selftest_outcome(parts: Any, results: Any, subjects: Any = None, check_mode: Any = False) -> dict[str, Any]:
    """Return what the role leaves for the report."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents import selftest_outcome as incidents
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    return incidents.selftest_outcome(
        native_value(parts), native_value(results), subjects=native_value(subjects or {}), check_mode=bool(check_mode)
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"selftest_outcome": selftest_outcome}
