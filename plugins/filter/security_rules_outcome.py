# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn what bringing security rules up to date left into check results."""

from __future__ import annotations

DOCUMENTATION = r"""
name: security_rules_outcome
version_added: 0.1.0
short_description: Turn what bringing security rules up to date left into check results
description:
  - Returns C(changed) and C(checks), for the role C(security_rules). Where there was nothing to do it says so as a skipped task does.
  - Each part has its check C(rules.<part>). One that failed is critical, one that was not reached because of that is unknown.
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The parts that there is something for, of V(blocklists), V(fail2ban) and V(nftables).
    type: list
    elements: str
    required: true
  results:
    description: By part, what its calls that act returned, in their order.
    type: dict
    required: true
  check_mode:
    description: Nothing was done.
    type: bool
    default: false
  failure:
    description: >-
      After a failure the C(part), empty for all; C(acted), whether anything was touched; the C(msg); and C(put_back), the result of putting
      back.
    type: dict
    default: {}
seealso:
  - module: upkeep.runbook.nft_rules
"""

EXAMPLES = r"""
- name: Say what became of it
  ansible.builtin.debug:
    msg: "{{ ['blocklists'] | upkeep.runbook.security_rules_outcome(results={'blocklists': [blocked]}) }}"
"""

RETURN = r"""
_value:
  description: What the role leaves for the report.
  type: dict
"""

from collections.abc import Callable
from typing import Any


def security_rules_outcome(parts: Any, results: Any, check_mode: Any = False, failure: Any = None) -> dict[str, Any]:
    """Return what the role leaves for the report."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_outcome import rules_outcome
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    return rules_outcome(native_value(parts), native_value(results), check_mode=bool(check_mode), failure=native_value(failure or {}))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"security_rules_outcome": security_rules_outcome}
