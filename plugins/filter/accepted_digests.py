# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say what became of an acceptance of baselines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: accepted_digests
version_added: 0.1.0
short_description: Say what became of an acceptance of baselines
description:
  - Returns the digests of the baselines that were accepted, and the parts of which nobody knows what became, since their call was killed or
    lost with its host. A call that refused has exchanged nothing and is in neither.
author:
  - upkeep.runbook contributors
options:
  _input:
    description: By part, C(ports), C(files) and C(access), what its call registered; empty for one that was not made.
    type: dict
    required: true
seealso:
  - module: upkeep.runbook.baseline_digests
"""

EXAMPLES = r"""
- name: See what was accepted
  ansible.builtin.debug:
    msg: "{{ ({'ports': ports, 'files': files | default({})} | upkeep.runbook.accepted_digests).digests }}"
"""

RETURN = r"""
_value:
  description: C(digests) by part, and the list C(unanswered).
  type: dict
"""

from collections.abc import Callable
from typing import Any


def accepted_digests(parts: Any) -> dict[str, Any]:
    """Return digests and parts without an answer."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.comparing import accepted_digests as accepted

    return accepted(parts)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"accepted_digests": accepted_digests}
