# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the results of a run together."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_record
version_added: 0.1.0
short_description: Build the record of a run from what the roles registered
description:
  - Reads what each role left as C(<role>_result) on each host and returns one document with the worst status of each role, each
    host and the platform.
  - A role that was promised and left no usable result is C(unknown) with the reason; it never goes missing.
  - The start of the run is read out of C(platform_run_id), the end is the moment at which the filter runs.
positional: _input, hostvars
author:
  - upkeep.runbook contributors
options:
  _input:
    description: Names of the hosts of the play, usually C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, usually C(hostvars).
    type: dict
    required: true
  platform:
    description: Name of the platform.
    type: str
    required: true
  playbook:
    description: Name of the playbook.
    type: str
    required: true
  promised_roles:
    description: The roles whose results must be there, in the order of the play. The tag of each is its name.
    type: list
    elements: str
    required: true
  run_tags:
    description: Tags that the run was limited to, C(ansible_run_tags).
    type: list
    elements: str
    default: [all]
  skip_tags:
    description: Tags that the run leaves out, C(ansible_skip_tags).
    type: list
    elements: str
    default: []
  check_mode:
    description: Whether the run is in check mode.
    type: bool
    default: false
  report_host:
    description: The host that carries the checks of the run itself.
    type: str
    default: localhost
  report_result:
    description: Registered result of M(upkeep.runbook.run_history), whose checks belong to the run.
    type: dict
  silences:
    description:
      - Problems that are known, as C(docs/notifications.md) describes. They are marked as suppressed and do not count.
      - One that has ended, or is written wrongly, silences nothing and is a check C(notify.silence).
    type: raw
    default: []
seealso:
  - module: upkeep.runbook.run_report
"""

EXAMPLES = r"""
- name: Put the results of all hosts together
  ansible.builtin.set_fact:
    report_record: >-
      {{ ansible_play_hosts_all | upkeep.runbook.run_record(hostvars, platform=upkeep_platform.name, playbook='daily',
         promised_roles=['health', 'resources'], run_tags=ansible_run_tags, skip_tags=ansible_skip_tags) }}
  run_once: true
"""

RETURN = r"""
_value:
  description: The run record; C(docs/run_record.md) spells out its keys.
  type: dict
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def run_record(
    hosts: Iterable[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    *,
    platform: str,
    playbook: str,
    promised_roles: Iterable[str],
    run_tags: Iterable[str] = ("all",),
    skip_tags: Iterable[str] = (),
    check_mode: bool = False,
    report_host: str = "localhost",
    report_result: Mapping[str, Any] | None = None,
    silences: Any = (),
) -> dict[str, Any]:
    """Collect ``<role>_result`` of every host and build the record."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.silences import with_silences
    from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import (
        PLATFORM_ROLE,
        Run,
        Selection,
        build_record,
    )
    from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

    if isinstance(hosts, (str, Mapping)):
        raise AnsibleFilterError(f"run_record wants a list of host names, not {type(hosts).__name__}")
    roles = [str(role) for role in promised_roles]
    results = {str(host): _results(hostvars, host, [PLATFORM_ROLE, *roles]) for host in hosts}
    now = utc_now()
    run = Run(
        run_id=_run_id(hostvars, results) or f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        platform=str(platform),
        playbook=str(playbook),
        check_mode=bool(check_mode),
        ended=now,
    )
    record = build_record(
        run,
        results,
        promised_roles=roles,
        selection=Selection([str(tag) for tag in run_tags], [str(tag) for tag in skip_tags]),
        report_host=str(report_host),
        report_result=report_result,
    )
    written = native_value(silences)
    if not written:
        return record
    groups = {host: [str(group) for group in hostvars[host].get("group_names") or []] for host in results}
    return with_silences(record, written, groups, report_host=str(report_host), now=now)


def _results(hostvars: Mapping[str, Mapping[str, Any]], host: str, roles: list[str]) -> dict[str, Any]:
    # hostvars[host] puts all variables of a host together each time it is asked: ask once.
    variables = hostvars[host]
    return {role: variables.get(f"{role}_result") for role in roles}


def _run_id(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> str:
    """Return the run id of the first host that has one: any host may have been left out of the first task."""
    from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import run_started

    for host in hosts:
        run_id = str(hostvars[host].get("platform_run_id") or "")
        try:
            run_started(run_id)
        except ValueError:
            continue
        return run_id
    return ""


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"run_record": run_record}
