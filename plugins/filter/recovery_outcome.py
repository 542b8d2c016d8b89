# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn what the steps of a recovery left into check results."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recovery_outcome
version_added: 0.1.0
short_description: Turn what the steps of a recovery left into check results
description:
  - Returns C(changed), C(checks), C(backup), C(steps) (seconds of each step) and C(touched), for the role C(recovery).
  - The checks say whether the recovery succeeded (C(recovery.result)), how long it took from the start of the run (C(recovery.time)), and
    how old the data are that it brought back (C(recovery.point)); those of the modules follow.
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: The marks of the steps, each with C(step) and C(at) in seconds since 1970. The last one is the end.
    type: list
    elements: dict
    required: true
  results:
    description: >-
      What the tasks returned, under C(lease), C(preflight), C(files), C(databases), C(environment), C(packages) and C(health); after a
      failure besides C(failure), a text, and C(put_back), results by what they put back.
      C(continued) is the killed run that is taken on.
    type: dict
    required: true
  platform:
    description: Name of the platform.
    type: str
    required: true
  run_id:
    description: Id of the run; the time in it is the start of the recovery.
    type: str
    required: true
  backup:
    description: The backup, with C(path) and C(started).
    type: dict
    default: {}
  check_mode:
    description: Nothing was done.
    type: bool
    default: false
  rollback:
    description: The last recovery was taken back.
    type: bool
    default: false
  limits:
    description: Limits beyond which to warn, C(time_seconds) and C(point_seconds). V(0) is no limit.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say what became of it
  ansible.builtin.debug:
    msg: >-
      {{ [{'step': 'stop', 'at': 1763800000.0}, {'step': 'end', 'at': 1763800012.5}]
         | upkeep.runbook.recovery_outcome(results={}, platform='NeuroSense FX', run_id=platform_run_id) }}
"""

RETURN = r"""
_value:
  description: What the role leaves for the report.
  type: dict
"""

from collections.abc import Callable
from typing import Any


def recovery_outcome(
    marks: Any,
    results: Any,
    platform: Any,
    run_id: Any,
    backup: Any = None,
    check_mode: Any = False,
    rollback: Any = False,
    limits: Any = None,
) -> dict[str, Any]:
    """Return what the role leaves for the report."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value
    from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.outcome import recovery_outcome as outcome
    from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import run_started

    return outcome(
        native_value(marks),
        native_value(results),
        platform=str(platform),
        backup=native_value(backup or {}),
        started=run_started(str(run_id)),
        check_mode=bool(check_mode),
        rollback=bool(rollback),
        limits=native_value(limits or {}),
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"recovery_outcome": recovery_outcome}
