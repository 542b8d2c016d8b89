# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put together what a run writes into the custody log of an incident on behalf of all hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: custody_entries
version_added: 0.1.0
short_description: Put together what a run writes into the custody log of an incident on behalf of all hosts
description:
  - When a run begins, what it is about to do on each host, or that it was refused.
  - When it ends, what became of each step on each host, as far as the roles have not written it themselves, also where the host was never
    reached.
positional: _input, hostvars
author:
  - upkeep.runbook contributors
options:
  _input:
    description: Names of the hosts of the play, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  steps:
    description: The steps, as P(upkeep.runbook.incident_steps#filter) returns them.
    type: list
    elements: str
    required: true
  playbook:
    description: Name of the playbook.
    type: str
    default: security_incident
  state:
    description: Whether the run V(begins) or V(ends).
    type: str
    choices: [begins, ends]
    default: ends
  refused:
    description: Why a run that begins is refused; empty when it is not.
    type: str
    default: ""
seealso:
  - module: upkeep.runbook.custody_log
"""

EXAMPLES = r"""
- name: Write what became of the steps
  upkeep.runbook.custody_log:
    directory: /var/lib/upkeep-reports/incidents
    incident: INC-42
    entries: "{{ ansible_play_hosts_all | upkeep.runbook.custody_entries(hostvars, steps=['sweep']) }}"
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: Entries, each with C(host), C(step), C(outcome), C(summary) and C(details).
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

_ROLES = ("platform", "evidence", "containment", "secrets", "sweep", "security_audit", "health")


def custody_entries(
    hosts: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    *,
    steps: Iterable[str],
    playbook: str = "security_incident",
    state: str = "ends",
    refused: str = "",
) -> list[dict[str, Any]]:
    """Return the entries."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.custody_entries import announced, outstanding
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    names, chosen = [str(host) for host in hosts], [str(step) for step in steps]
    if state == "begins":
        return announced(names, chosen, playbook=str(playbook), refused=str(refused))
    found = {}
    for host in names:
        variables = hostvars[host]
        found[host] = {role: native_value(variables.get(f"{role}_result")) for role in _ROLES}
    return outstanding(found, chosen)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"custody_entries": custody_entries}
