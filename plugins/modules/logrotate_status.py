#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say whether the system's own logrotate is alive and valid, and whether logs have room."""

from __future__ import annotations

DOCUMENTATION = r"""
module: logrotate_status
version_added: 0.1.0
short_description: Say whether the system's own logrotate is alive and valid, and whether logs have room
description:
  - Looks when logrotate ran last, how that ended, what starts it, and whether it finds mistakes in its configuration or state
    (C(logrotate -d), which changes nothing).
  - Measures the file systems that hold logs, after these were rotated, so that a disk that is still full is told.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  paths:
    description:
      - Absolute paths of logs, wildcards allowed. The file systems of their folders are measured, each once.
    type: list
    elements: str
    default: []
  logrotate:
    description:
      - V(auto) looks at logrotate where it is installed. Where it is not, which is ordinary on a minimal Debian, that is ok
        until the logs that packages want rotated hold O(unrotated_bytes).
      - With V(required) a host without it is V(unknown). With V(ignored) it is not looked at.
    type: str
    choices: [auto, required, ignored]
    default: auto
  warning_hours:
    description: This long after its last run is a warning, in hours. V(0) switches the threshold off.
    type: float
    default: 50.0
  critical_hours:
    description: This long after its last run is critical, in hours. V(0) switches the threshold off.
    type: float
    default: 192.0
  unrotated_bytes:
    description:
      - Where logrotate is not installed, so many bytes in the logs that it would rotate are a warning. V(0) switches the
        threshold off.
    type: int
    default: 268435456
  warning_percent:
    description: Share of a file system that is used which is a warning, in percent. V(0) switches the threshold off.
    type: float
    default: 85.0
  critical_percent:
    description: Share of a file system that is used which is critical, in percent. V(0) switches the threshold off.
    type: float
    default: 95.0
  timeout_seconds:
    description: How long each question to logrotate, systemd or a file system may take, V(0.1) to V(3600) seconds.
    type: float
    default: 30.0
seealso:
  - module: upkeep.runbook.log_rotate
  - module: upkeep.runbook.resource_metrics
"""

EXAMPLES = r"""
- name: See that the system rotates its logs, and that ours have room
  upkeep.runbook.logrotate_status:
    paths: [/opt/neurosensefx/logs/*.log]
    logrotate: required
"""

RETURN = r"""
logrotate:
  description: What is known of logrotate; empty with O(logrotate=ignored).
  returned: always
  type: dict
  contains:
    installed:
      description: Whether the program is there.
      type: bool
    last_run:
      description: When it wrote its state file last, ISO 8601 UTC; null when there is none.
      type: str
    timer:
      description: V(active), V(inactive) or V(missing); null where systemd does not answer.
      type: str
    cron:
      description: The script that cron runs, or null.
      type: str
    errors:
      description: What C(logrotate -d) finds wrong, at most 20 lines.
      type: list
      elements: str
    patterns:
      description: How many patterns of logs its configuration holds.
      type: int
file_systems:
  description: Figures of each file system that holds logs, as M(upkeep.runbook.resource_metrics) returns them.
  returned: always
  type: list
  elements: dict
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(log.system_rotation) for the last run and for the configuration of logrotate, and C(disk.space) for each file system; what
      else is wrong with one, such as C(disk.readonly), as well.
  returned: always
  type: list
  elements: dict
  sample:
    - check: log.system_rotation
      subject: logrotate
      status: ok
      summary: logrotate ran last 5 hours ago (warning at 50 hours, critical at 192 hours); its timer is active.
      value: 5.2
      unit: hours
      warning: 50.0
      critical: 192.0
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.surroundings import inspect_surroundings
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "paths": {"type": "list", "elements": "str", "default": []},
        "logrotate": {"type": "str", "choices": ["auto", "required", "ignored"], "default": "auto"},
        "warning_hours": {"type": "float", "default": 50.0},
        "critical_hours": {"type": "float", "default": 192.0},
        "unrotated_bytes": {"type": "int", "default": 268435456},
        "warning_percent": {"type": "float", "default": 85.0},
        "critical_percent": {"type": "float", "default": 95.0},
        "timeout_seconds": {"type": "float", "default": 30.0},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_surroundings(module.params, now=utc_now())
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
