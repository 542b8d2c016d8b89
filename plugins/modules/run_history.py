#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what earlier runs left in a report directory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_history
version_added: 0.1.0
short_description: Read past runs, and tell which cadence has gone silent
description:
  - Reads the index of past runs and the heartbeats that M(upkeep.runbook.run_report) leaves in a report directory.
  - Makes one check C(heartbeat.age) for each cadence that is asked for. Silence is an alarm.
  - A cadence without a heartbeat is C(unknown), not ok.
  - A damaged index is a C(warning), and the runs are then read from their records.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
options:
  directory:
    description: Absolute directory of the reports. One that does not exist holds no run.
    type: path
    required: true
  platform:
    description: Name of the platform whose runs and heartbeats are wanted.
    type: str
    required: true
  heartbeats:
    description: The cadences that must not go silent.
    type: list
    elements: dict
    default: []
    suboptions:
      playbook:
        description: Name of the playbook that should have run.
        type: str
        required: true
      warning_hours:
        description: Age of its last whole run, in hours, that is a warning.
        type: float
        required: true
      critical_hours:
        description: Age of its last whole run, in hours, that is critical.
        type: float
        required: true
  max_runs:
    description:
      - How many past runs of each playbook of the platform to return at most, newest first.
      - Each playbook is counted by itself, so that a health check every five minutes leaves room for the daily runs.
    type: int
    default: 40
seealso:
  - module: upkeep.runbook.run_report
"""

EXAMPLES = r"""
- name: Did the daily run happen?
  upkeep.runbook.run_history:
    directory: /var/lib/reports
    platform: NeuroSense FX
    heartbeats:
      - playbook: daily
        warning_hours: 26
        critical_hours: 50
  register: history
"""

RETURN = r"""
status:
  description: Worst status of RV(checks); C(ok) when no cadence was asked for and the index is whole.
  returned: always
  type: str
  sample: ok
checks:
  description: Check results, one C(heartbeat.age) for each cadence, and C(report.index) when the index is damaged.
  returned: always
  type: list
  elements: dict
runs:
  description: The past runs of the platform, newest first; C(docs/run_record.md) spells out the keys.
  returned: always
  type: list
  elements: dict
heartbeats:
  description: The last whole run of each playbook of the platform.
  returned: always
  type: dict
  sample:
    daily: {run_id: 20261122T050000Z-1a2b3c4d, ended: "2026-11-22T05:00:12Z", status: ok, health: HEALTHY}
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import (
    age_check,
    heartbeat_path,
    read_heartbeats,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.run_index import INDEX, past_runs, surplus
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options, as data."""
    cadence = {
        "playbook": {"type": "str", "required": True},
        "warning_hours": {"type": "float", "required": True},
        "critical_hours": {"type": "float", "required": True},
    }
    return {
        "directory": {"type": "path", "required": True},
        "platform": {"type": "str", "required": True},
        "heartbeats": {"type": "list", "elements": "dict", "default": [], "options": cadence},
        "max_runs": {"type": "int", "default": 40},
    }


def read(params: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the checks, runs and heartbeats.

    :raises UpkeepError: when an option is wrong or the directory cannot be read.
    """
    directory = Path(params["directory"])
    if not directory.is_absolute():
        raise UpkeepError(f"directory is {params['directory']!r}; it must be absolute")
    for index, cadence in enumerate(params["heartbeats"]):
        for key in ("warning_hours", "critical_hours"):
            if not 0 <= cadence[key] < float("inf"):
                raise UpkeepError(f"heartbeats[{index}].{key} is {cadence[key]}; it must be a number of hours, 0 or more")
        if cadence["warning_hours"] > cadence["critical_hours"]:
            raise UpkeepError(f"heartbeats[{index}].warning_hours is above critical_hours; it must not be")
    runs, problem = past_runs(directory)
    own = [run for run in runs if run["platform"] == params["platform"]]
    beyond = set(surplus(own, keep=params["max_runs"]))
    beats, damaged = read_heartbeats(directory, params["platform"])
    checks = [
        age_check(
            cadence["playbook"],
            beats.get(cadence["playbook"]),
            now=now,
            warning_hours=cadence["warning_hours"],
            critical_hours=cadence["critical_hours"],
            damaged=damaged.get(heartbeat_path(directory, params["platform"], cadence["playbook"]).name, ""),
        )
        for cadence in params["heartbeats"]
    ]
    if problem:
        hint = "The report of this run makes the index anew from the records; look for a full or failing disk."
        checks.append(check_result("report.index", str(directory / INDEX), WARNING, f"{problem}.", hint=hint))
    return {
        "status": worst_of(checks) if checks else OK,
        "checks": checks,
        "runs": [run for run in own if run["run_id"] not in beyond],
        "heartbeats": beats,
    }


def main() -> None:
    """Wire the options to the files."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        found = read(module.params, now=utc_now())
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
