#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Count failed logins by address, subnet and user, and find logins that may have been guessed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_failures
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
short_description: Count failed logins by address, subnet and user, and find logins that may have been guessed
description:
  - Reads what sshd, PAM, sudo, su and login wrote within a window, from the journal or from log files with their rotations, packed
    ones included.
  - The lines that one attempt leaves (of PAM, of sshd, C(message repeated 3 times)) count as that one attempt.
  - Names in these messages are chosen by whoever knocks. A message that can be read in two ways blames no address, and in the journal
    what another program wrote in the name of sshd is not believed.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  source:
    description:
      - V(auto) takes the journal when it holds anything about logins, and files otherwise, or when they reach further back than a journal
        that begins within the window. A host that writes both is not counted twice.
      - A journal that began later than the host and its last start did has let go of a part of the window, which is V(unknown).
    type: str
    choices: [auto, journal, files]
    default: auto
  paths:
    description:
      - Absolute paths of log files, without wildcards; the rotations of each are found by its name.
      - By default C(/var/log/auth.log) and C(/var/log/secure), those that are there. One that is given here must be there.
    type: list
    elements: path
  since_hours:
    description: How far back the window begins, in hours before its end.
    type: float
    default: 24.0
  since:
    description: When the window begins, ISO 8601 with a zone, instead of O(since_hours).
    type: str
  until:
    description: When the window ends, ISO 8601 with a zone. By default now.
    type: str
  allow:
    description:
      - Addresses and networks of people who may mistype. Their failures are counted and are no finding.
    type: list
    elements: str
    default: []
  success_after:
    description:
      - A login after so many failed passwords from its address is critical. Refused keys do not count. V(0) switches it off.
    type: int
    default: 5
  success_after_user:
    description:
      - A login with a password, after so many failed passwords for its user from anywhere, is critical. V(0) switches it off.
    type: int
    default: 20
  warning_failures:
    description: So many failed logins in all are a warning. V(0) switches this and each of the following thresholds off.
    type: int
    default: 500
  critical_failures:
    description: So many failed logins in all are critical.
    type: int
    default: 0
  warning_per_address:
    description: So many failed logins from one address are a warning.
    type: int
    default: 50
  critical_per_address:
    description: So many failed logins from one address are critical.
    type: int
    default: 1000
  warning_per_subnet:
    description: So many failed logins from a /24 (IPv6, /64) with three or more addresses are a warning.
    type: int
    default: 200
  critical_per_subnet:
    description: So many failed logins from such a subnet are critical.
    type: int
    default: 2000
  warning_per_user:
    description: So many failed logins for one user that may exist are a warning.
    type: int
    default: 100
  critical_per_user:
    description: So many failed logins for one user are critical.
    type: int
    default: 0
  warning_sudo:
    description: So many wrong passwords of one user for sudo or su are a warning. A user who is not in sudoers always is.
    type: int
    default: 5
  critical_sudo:
    description: So many wrong passwords of one user for sudo or su are critical.
    type: int
    default: 50
  top_addresses:
    description: So many addresses, and subnets, have a check and figures of their own, V(0) to V(1000). The others share one.
    type: int
    default: 10
  top_users:
    description: The same for users.
    type: int
    default: 10
  expect_messages:
    description:
      - A window without any message is V(unknown), since the login of Ansible itself, sudo and cron leave some.
    type: bool
    default: true
  timeout_seconds:
    description: How long the journal may take, V(0.1) to V(3600) seconds.
    type: float
    default: 60.0
  max_bytes:
    description:
      - So much is read of the journal and of each file, after unpacking. More is V(unknown), with what was read counted.
    type: int
    default: 1073741824
seealso:
  - module: upkeep.runbook.process_audit
  - module: upkeep.runbook.port_baseline
"""

EXAMPLES = r"""
- name: Look at the logins of the last day
  upkeep.runbook.auth_failures:
    allow: [192.0.2.0/24, "2001:db8:1::/48"]

- name: Look at those of the last week, in files
  upkeep.runbook.auth_failures:
    source: files
    since_hours: 168
    warning_failures: 3500
"""

RETURN = r"""
window:
  description: What was looked at, C(since) and C(until), ISO 8601 UTC.
  returned: always
  type: dict
sources:
  description:
    - Each source with its C(lines), those C(within) the window, the C(messages) about logins among these, C(unparsed) and C(forged)
      lines, the C(oldest) line and the C(problem), if there is one.
  returned: always
  type: list
  elements: dict
addresses:
  description:
    - The addresses with most failures, at most O(top_addresses), with C(failures), C(accepted) logins, C(first), C(last), some
      C(users), and whether they are C(allowed).
  returned: always
  type: list
  elements: dict
  sample:
    - address: 203.0.113.9
      failures: 412
      accepted: 0
      first: "2026-11-22T01:00:00Z"
      last: "2026-11-22T02:10:00Z"
      users: [root, admin]
      allowed: false
subnets:
  description: The same for subnets, with some C(addresses).
  returned: always
  type: list
  elements: dict
users:
  description: The same for users, at most O(top_users). C(exists) is there when the log says whether the user exists.
  returned: always
  type: list
  elements: dict
local:
  description: The same for users of sudo and su. The C(user) is preceded by the program, and C(refused) counts what was not allowed.
  returned: always
  type: list
  elements: dict
logins:
  description: Who logged in from where, C(count) times, at most 100 rows.
  returned: always
  type: list
  elements: dict
successes_after_failures:
  description: Logins that may have been guessed, at most 100. C(by) says whether the failures were of the C(address) or for the C(user).
  returned: always
  type: list
  elements: dict
totals:
  description:
    - C(failures), C(accepted) logins, C(sudo_commands), C(refused), the failures C(by_service), and how many C(addresses), C(subnets) and
      C(users) there were. C(folded) says how many of these were not kept apart, to bound the memory, and their failures.
  returned: always
  type: dict
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(auth.failures) for all logins, and for each address, subnet and user that reached a threshold; C(auth.success_after_failures);
      C(auth.sudo) for sudo and su; C(auth.source) for each source.
  returned: always
  type: list
  elements: dict
  sample:
    - check: auth.success_after_failures
      subject: root from 203.0.113.9
      status: critical
      summary: "root logged in from 203.0.113.9 (password) after 412 failed passwords from 203.0.113.9: it may have been guessed."
      value: 412
      unit: count
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.inspection import inspect_logins
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "source": {"type": "str", "choices": ["auto", "journal", "files"], "default": "auto"},
        "paths": {"type": "list", "elements": "path"},
        "since_hours": {"type": "float", "default": 24.0},
        "since": {"type": "str"},
        "until": {"type": "str"},
        "allow": {"type": "list", "elements": "str", "default": []},
        "success_after": {"type": "int", "default": 5},
        "success_after_user": {"type": "int", "default": 20},
        "warning_failures": {"type": "int", "default": 500},
        "critical_failures": {"type": "int", "default": 0},
        "warning_per_address": {"type": "int", "default": 50},
        "critical_per_address": {"type": "int", "default": 1000},
        "warning_per_subnet": {"type": "int", "default": 200},
        "critical_per_subnet": {"type": "int", "default": 2000},
        "warning_per_user": {"type": "int", "default": 100},
        "critical_per_user": {"type": "int", "default": 0},
        "warning_sudo": {"type": "int", "default": 5},
        "critical_sudo": {"type": "int", "default": 50},
        "top_addresses": {"type": "int", "default": 10},
        "top_users": {"type": "int", "default": 10},
        "expect_messages": {"type": "bool", "default": True},
        "timeout_seconds": {"type": "float", "default": 60.0},
        "max_bytes": {"type": "int", "default": 1073741824},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_logins(module.params, now=utc_now())
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
