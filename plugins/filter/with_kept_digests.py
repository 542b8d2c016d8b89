# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare the baselines that an audit has met with the digests that the report host keeps."""

from __future__ import annotations

DOCUMENTATION = r"""
name: with_kept_digests
version_added: 0.1.0
short_description: Compare the baselines that an audit has met with the digests that the report host keeps
description:
  - Returns the result of the role C(security_audit) with a check C(baseline.digest) more for each baseline whose digest is missing, or whose
    acceptance was begun and not seen to its end.
  - A baseline that has another digest than the one that is kept is said by the module that has met it.
positional: _input, kept, by_hand
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The result, as the filter P(upkeep.runbook.joined_result#filter) makes it.
    type: dict
    required: true
  kept:
    description: What the task with M(upkeep.runbook.baseline_digests) registered.
    type: dict
    required: true
  by_hand:
    description: Digests by part that the inventory says; these baselines are left out here.
    type: dict
    required: true
seealso:
  - module: upkeep.runbook.baseline_digests
"""

EXAMPLES = r"""
- name: Look at the digests
  ansible.builtin.set_fact:
    security_audit_result: "{{ security_audit_result | upkeep.runbook.with_kept_digests(kept, security_audit_digests) }}"
"""

RETURN = r"""
_value:
  description: The result with further C(checks).
  type: dict
"""

from collections.abc import Callable
from typing import Any


def with_kept_digests(result: Any, kept: Any, by_hand: Any) -> Any:
    """Return a result with the checks of digests."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.comparing import with_digest_checks

    return with_digest_checks(result, kept, by_hand)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"with_kept_digests": with_kept_digests}
