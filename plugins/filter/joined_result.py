# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Join what several calls of a role found."""

from __future__ import annotations

DOCUMENTATION = r"""
name: joined_result
version_added: 0.1.0
short_description: Join what several calls of a role found
description:
  - Returns the one result of a role that inspects with several calls, as a run record reads it. The checks of all calls are in it.
  - A call that failed, was lost with its host or left no checks becomes a message, so that none goes missing.
positional: _input, chosen
author:
  - upkeep.runbook contributors
options:
  _input:
    description: By the name of each part, what its call registered; empty for one that the tags of the run left out.
    type: dict
    required: true
  chosen:
    description: The names of the parts that were asked for. One that is none of the input is a failure.
    type: list
    elements: str
    required: true
seealso:
  - plugin: upkeep.runbook.run_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Put both parts together for a report
  ansible.builtin.set_fact:
    security_audit_result: "{{ {'ports': ports, 'files': files | default({})} | upkeep.runbook.joined_result(['ports', 'files']) }}"
"""

RETURN = r"""
_value:
  description:
    - C(changed), C(failed), C(msg) with the reasons, C(checks), and C(parts), by name what each call returned besides.
    - C(unreachable) when the host was lost for good, C(skipped) when nothing was to be done.
  type: dict
"""

from collections.abc import Callable
from typing import Any


def joined_result(parts: Any, chosen: Any) -> dict[str, Any]:
    """Return one result for several."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.joined_result import joined_result as join

    return join(parts, chosen)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"joined_result": joined_result}
