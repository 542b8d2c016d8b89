#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look for processes that are not what they seem, or are where they should not be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: process_audit
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
short_description: Look for processes that are not what they seem, or are where they should not be
description:
  - Looks at every process in C(/proc). What counts is what really runs, from where, with which sockets and started by whom. A name proves
    nothing.
  - The rules are C(deleted_executable), C(memory_executable), C(temporary_executable), C(hidden_executable), C(other_name),
    C(interpreter_socket), C(unexpected_parent), C(unexpected_root) and C(preloaded_library); the collection's page on host evidence
    explains each.
  - Nothing is stopped or changed. The module, and what Ansible started to run it, are passed over.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  rules:
    description: The rules to look by. By default all.
    type: list
    elements: str
    choices:
      - deleted_executable
      - memory_executable
      - temporary_executable
      - hidden_executable
      - other_name
      - interpreter_socket
      - unexpected_parent
      - unexpected_root
      - preloaded_library
  expected:
    description: Interpreters that may have sockets although systemd does not run them as services, such as what PM2 started.
    type: list
    elements: dict
    default: []
    suboptions:
      command:
        description: Pattern of the whole command line; C(*), C(?) and C([…]) are wildcards.
        type: str
        required: true
      user:
        description: Name or number of the user.
        type: str
  service_users:
    description: Users that run services, for C(unexpected_root). Those with numbers from 1 to 999 always are.
    type: list
    elements: str
    default: []
  allow:
    description:
      - Findings to live with. They stay in the record and do not count. One that has expired, or covers nothing, is a warning.
    type: list
    elements: dict
    default: []
    suboptions:
      rule:
        description: The rule.
        type: str
        required: true
      executable:
        description: Pattern of the path of what runs.
        type: str
      command:
        description: Pattern of the whole command line.
        type: str
      user:
        description: Name or number of the user.
        type: str
      reason:
        description: Why this is no danger here.
        type: str
        required: true
      expires:
        description: Until when, a day such as V(2026-12-31) or a time with its zone. By default for ever.
        type: str
seealso:
  - module: upkeep.runbook.port_baseline
  - module: upkeep.runbook.auth_failures
"""

EXAMPLES = r"""
- name: Look at the processes
  upkeep.runbook.process_audit:
    service_users: [neurosense]
    expected:
      - {command: "node /opt/neurosensefx/*", user: neurosense}
    allow:
      - rule: preloaded_library
        executable: /usr/bin/node
        reason: jemalloc, decided in the review of October
        expires: "2027-03-31"
"""

RETURN = r"""
processes:
  description:
    - What was found, at most 100, the worst first, each with C(pid), C(rule), C(status), C(reason), C(user), C(name), C(executable),
      C(command), C(working_directory), C(parent), C(unit), and C(allowed), the entry of O(allow) that covers it.
    - What looks like a secret in a command line is masked.
  returned: always
  type: list
  elements: dict
totals:
  description:
    - How many C(processes) and C(kernel_threads) there were, how many C(vanished) meanwhile or were C(denied), the C(findings), and those
      that are C(allowed).
  returned: always
  type: dict
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(process.audit) for the whole, C(process.allow) for entries of O(allow) that expired or cover nothing, and C(process.) with the id of
      the rule for each program of a user that was found.
  returned: always
  type: list
  elements: dict
  sample:
    - check: process.temporary_executable
      subject: /dev/shm/x (www-data)
      status: critical
      summary: pid 4711 of www-data runs /dev/shm/x, in a folder for temporary files.
      value: 1
      unit: count
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.auditing import audit_processes
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.rules import RULE_IDS
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    expected = {"command": {"type": "str", "required": True}, "user": {"type": "str"}}
    allow = {
        "rule": {"type": "str", "required": True},
        "executable": {"type": "str"},
        "command": {"type": "str"},
        "user": {"type": "str"},
        "reason": {"type": "str", "required": True},
        "expires": {"type": "str"},
    }
    return {
        "rules": {"type": "list", "elements": "str", "choices": list(RULE_IDS)},
        "expected": {"type": "list", "elements": "dict", "options": expected, "default": []},
        "service_users": {"type": "list", "elements": "str", "default": []},
        "allow": {"type": "list", "elements": "dict", "options": allow, "default": []},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = audit_processes(module.params, now=utc_now())
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
