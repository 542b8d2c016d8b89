# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decide what the page of a run shows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report_page
version_added: 0.1.0
short_description: Decide what the page of a run shows
description:
  - Returns the content of the HTML page of a run record, which the template of the role P(upkeep.runbook.report#role) lays out.
  - Sparklines, uptime and top processes come from the results that the roles registered. What is absent or malformed there is
    left out; the checks do not depend on it.
author:
  - upkeep.runbook contributors
positional: _input, hostvars
options:
  _input:
    description: A run record, as built by P(upkeep.runbook.run_record#filter).
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts, usually C(hostvars).
    type: dict
    required: true
  runs:
    description: Past runs, newest first, as M(upkeep.runbook.run_history) returns them.
    type: list
    elements: dict
    default: []
  stale_after_minutes:
    description: Age of the data, in minutes, from which the page says that it is stale. 0 never says so.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Render the page of a run
  ansible.builtin.set_fact:
    page: >-
      {{ (role_path ~ '/templates/report.html.j2')
         | upkeep.runbook.render_html(report_record | upkeep.runbook.report_page(hostvars)) }}
"""

RETURN = r"""
_value:
  description: The content, ready for P(upkeep.runbook.render_html#filter).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def report_page(
    record: Mapping[str, Any],
    hostvars: Mapping[str, Mapping[str, Any]],
    *,
    runs: Sequence[Mapping[str, Any]] = (),
    stale_after_minutes: float = 0,
) -> dict[str, Any]:
    """Collect the registered results of the hosts of the record and decide what is shown."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils import report_page as page

    details: dict[str, dict[str, Any]] = {}
    for host, entry in record["hosts"].items():
        # The host that only carries the checks of the run itself may have no variables of its own.
        variables = hostvars[host] if host in hostvars else {}
        details[host] = {role: variables.get(f"{role}_result") for role in entry["roles"]}
    return page.report_page(record, details, runs=runs, stale_after_minutes=float(stale_after_minutes))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"report_page": report_page}
