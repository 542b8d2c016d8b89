#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write down exercises of incidents on the report host, and tell how long ago the last one was."""

from __future__ import annotations

DOCUMENTATION = r"""
module: incident_exercise
version_added: 0.1.0
short_description: Write down exercises of incidents, and tell how long ago the last one was
description:
  - Writes down that an exercise is planned, or what came of one that was held, who took part, what was found, and what is done about it by
    whom and until when. Runs on the host that keeps the reports, with C(delegate_to).
  - Each exercise has a custody log of its own, a file of JSON lines as M(upkeep.runbook.custody_log) writes them, each with the SHA-256 of the one
    before. What was written down before is never changed.
  - Asked with O(state=query), it tells how long ago the last exercise of a platform was held, and when it was tried last whether the alarm rings.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
attributes:
  check_mode:
    support: full
    details:
      - Refuses in check mode as it would otherwise, and writes nothing.
  diff_mode:
    support: full
    details:
      - Shows what is written down, beside what the log ends with.
  idempotent:
    support: full
    details:
      - What the log ends with already is not written again.
options:
  directory:
    description: Absolute directory of the reports. The log is C(exercises/<exercise>/custody.jsonl) in it, of mode 0600.
    type: path
    required: true
  platform:
    description: Name of the platform that the exercise is about.
    type: str
    required: true
  state:
    description: V(planned) and V(held) write down, V(query) only looks.
    type: str
    choices: [planned, held, query]
    default: query
  exercise:
    description: Id of the exercise, 1 to 64 letters, digits, dots, underscores and dashes. Required unless O(state=query).
    type: str
  scenario:
    description: What happens in it. Required unless O(state=query).
    type: str
  participants:
    description: Who takes part, at most 100. At least one with O(state=held).
    type: list
    elements: str
    default: []
  held:
    description: With O(state=held), the day on which it was held, as C(2027-01-31). Default is the day that the log has already, or else today,
      UTC.
    type: str
  findings:
    description: With O(state=held), what was found, at most 100 sentences. Never a secret.
    type: list
    elements: str
    default: []
  actions:
    description: With O(state=held), what is done about it, at most 100.
    type: list
    elements: dict
    default: []
    suboptions:
      action:
        description: What is done.
        type: str
        required: true
      owner:
        description: Who does it.
        type: str
        required: true
      due:
        description: The day by which it is done, as C(2027-01-31).
        type: str
        required: true
  warning_days:
    description: With O(state=query), a last exercise that is so many days old is a warning, V(1) to V(3650), and so is none at all.
    type: int
    default: 100
  selftest_warning_days:
    description: >-
      With O(state=query), the same for the last whole run of the playbook C(security_selftest) whose heartbeat is in O(directory). V(0) does
      not look.
    type: int
    default: 100
  operator:
    description: Who writes it down, for people. By default who called sudo on the report host.
    type: str
  run_id:
    description: Id of the run.
    type: str
  wait_seconds:
    description: How long to wait for another process that writes to a log, V(0) to V(3600) seconds.
    type: float
    default: 30.0
seealso:
  - module: upkeep.runbook.custody_log
"""

EXAMPLES = r"""
- name: Write down what came of an exercise
  upkeep.runbook.incident_exercise:
    directory: /var/lib/reports
    platform: NeuroSense FX
    state: held
    exercise: EX-3
    scenario: The key of the deploy user was stolen and used on the backend
    participants: [the person on call, the team lead]
    findings:
      - Nobody knew the number of the hosting provider.
    actions:
      - {action: Put it into the contacts, owner: the team lead, due: "2027-01-31"}
  delegate_to: reports
  run_once: true

- name: Look how long ago the last one was
  upkeep.runbook.incident_exercise:
    directory: /var/lib/reports
    platform: NeuroSense FX
    warning_days: 100
  delegate_to: reports
  run_once: true
  register: readiness_result
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - With O(state=query), C(security.exercise) and C(security.selftest). A warning when the last one is too old, or when there is none;
      unknown when that could not be read. C(security.selftest) is also as critical or unknown as the last whole run was.
    - Otherwise C(custody.chain) about the log, as of M(upkeep.runbook.custody_log).
  returned: success
  type: list
  elements: dict
  sample:
    - check: security.exercise
      subject: NeuroSense FX
      status: ok
      summary: >-
        The last exercise of an incident was 12 days ago: EX-3 on 2026-11-10, The key of the deploy user was stolen; warning from 100 days.
      value: 12
      unit: days
      warning: 100
      critical: null
exercises:
  description: With O(state=query), the exercises of the platform that were held, the last 50, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    exercise:
      description: Its id.
      type: str
    held:
      description: The day.
      type: str
    scenario:
      description: What happened in it.
      type: str
    actions:
      description: How many actions were agreed.
      type: int
path:
  description: The log.
  returned: unless O(state=query)
  type: str
  sample: /var/lib/reports/exercises/EX-3/custody.jsonl
head:
  description: The last entry of the log, C(sequence) and C(sha256).
  returned: unless O(state=query)
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.exercise_log import keep_exercises
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = {"type": "list", "elements": "str", "default": []}
    action = {name: {"type": "str", "required": True} for name in ("action", "owner", "due")}
    return {
        "directory": {"type": "path", "required": True},
        "platform": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["planned", "held", "query"], "default": "query"},
        "exercise": {"type": "str"},
        "scenario": {"type": "str"},
        "participants": texts,
        "held": {"type": "str"},
        "findings": texts,
        "actions": {"type": "list", "elements": "dict", "options": action, "default": []},
        "warning_days": {"type": "int", "default": 100},
        "selftest_warning_days": {"type": "int", "default": 100},
        "operator": {"type": "str"},
        "run_id": {"type": "str"},
        "wait_seconds": {"type": "float", "default": 30.0},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = keep_exercises(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
