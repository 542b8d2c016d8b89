# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Add what became of the notifications to the record of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: notified_record
version_added: 0.1.0
short_description: Add what became of the notifications to the record of a run
description:
  - Returns the record with the checks of M(upkeep.runbook.notify) as role C(notify) of the report host, and with the status that follows.
  - A call that failed is C(unknown) with the reason. Without any check the record is returned as it is.
positional: _input, result
author:
  - upkeep.runbook contributors
options:
  _input:
    description: A run record, as built by P(upkeep.runbook.run_record#filter).
    type: dict
    required: true
  result:
    description: The registered result of M(upkeep.runbook.notify).
    type: dict
    required: true
  report_host:
    description: The host that carries the checks of the run itself.
    type: str
    default: localhost
  silences:
    description: Problems that are known, as for P(upkeep.runbook.run_record#filter).
    type: raw
    default: []
seealso:
  - plugin: upkeep.runbook.run_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Put the channels into the record
  ansible.builtin.set_fact:
    report_record: "{{ report_record | upkeep.runbook.notified_record(notify_result, report_host='monitor.example.com') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The run record; C(docs/run_record.md) spells out its keys.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any


def notified_record(
    record: Mapping[str, Any], result: Mapping[str, Any], *, report_host: str = "localhost", silences: Any = ()
) -> dict[str, Any]:
    """Merge the result of the notifications into the record."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.silences import silenced_checks
    from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import NOTIFY_ROLE, role_entry, with_run_checks
    from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

    found = native_value(result)
    failed = bool(found.get("failed") or found.get("unreachable"))
    if not failed and not found.get("checks"):
        return dict(record)
    entry = role_entry(NOTIFY_ROLE, found)
    if found.get("unreachable"):
        # No checks came back; a reason alone would have no row.
        entry = role_entry(NOTIFY_ROLE, {"failed": True, "msg": f"the report host is unreachable: {found.get('msg')}", "checks": []})
    checks = silenced_checks(entry["checks"], native_value(silences), host=str(report_host), now=utc_now())
    return with_run_checks(record, str(report_host), NOTIFY_ROLE, checks, entry["reason"])


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"notified_record": notified_record}
