# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say which parts of a self-test to try on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: selftest_plan
version_added: 0.1.0
short_description: Say which parts of a self-test to try on a host
description:
  - Returns C(parts), in the order in which they are tried, C(jail_stop), why the jail is not to be tried, or nothing, C(jail_able),
    whether the jail can ban anybody, and C(jail_goes_on), whether it noticed a failed login of the right address, for the role
    C(selftest).
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: What was asked for, a list or a text with commas. V(all) is everything that a host has.
    type: raw
    required: true
  first:
    description: Whether it is the first host of the run, for which channels ring.
    type: bool
    default: true
  key_user:
    description: The account whose keys are tried, or nothing.
    type: str
    default: ""
  jail:
    description: What is known for the part V(jail) until now.
    type: dict
    default: {}
seealso:
  - plugin: upkeep.runbook.selftest_outcome
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what would be tried
  ansible.builtin.debug:
    msg: "{{ 'all' | upkeep.runbook.selftest_plan(key_user='monitor') }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
"""

from collections.abc import Callable
from typing import Any


def selftest_plan(asked: Any, first: Any = True, key_user: Any = "", jail: Any = None) -> dict[str, Any]:
    """Return the plan."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents import selftest_outcome as incidents
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.block_requests import named
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    asked, known = native_value(asked), native_value(jail or {})
    return incidents.selftest_plan(named(asked), first=bool(first), key_user=str(key_user or ""), jail=known)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"selftest_plan": selftest_plan}
