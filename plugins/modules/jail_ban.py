#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at what one jail of fail2ban does with an address, wait for a ban, and end one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jail_ban
version_added: 0.1.0
short_description: Look at what a jail of fail2ban does with an address, wait for a ban, and end one
description:
  - Says what a jail does, whether it bans an address now, and whether something stands against provoking a ban to see that it does.
  - Ends the ban of an address. It bans nobody; M(upkeep.runbook.ip_block) does.
  - Where fail2ban is not installed, or does not answer, it says so and does not fail.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  jail:
    description: The jail.
    type: str
    default: sshd
  address:
    description: The address, as the host sees it.
    type: str
    required: true
  state:
    description:
      - V(query) looks and changes nothing.
      - V(absent) ends the ban of the address by this jail. Bans by other jails stay, unless O(every_jail).
    type: str
    choices: [query, absent]
    default: query
  every_jail:
    description: With O(state=absent), end the bans by all jails.
    type: bool
    default: false
  wait_failures:
    description: Wait until the jail has counted so many failures since it was started, of anybody. V(0) does not wait for any.
    type: int
    default: 0
  wait_banned:
    description: Wait until the jail bans the address.
    type: bool
    default: false
  wait_seconds:
    description: How long to wait, V(0) to V(600) seconds. What does not come until then is no error.
    type: float
    default: 0.0
  fail2ban_socket:
    description: Where the server of fail2ban listens.
    type: path
    default: /var/run/fail2ban/fail2ban.sock
notes:
  - fail2ban answers to root only.
  - What the actions of a jail run is not returned, since tokens may stand in it.
seealso:
  - module: upkeep.runbook.blocked_addresses
  - module: upkeep.runbook.ip_block
"""

EXAMPLES = r"""
- name: Let somebody in again
  upkeep.runbook.jail_ban:
    address: 192.0.2.7
    state: absent

- name: Wait until the jail has banned an address
  upkeep.runbook.jail_ban:
    address: 192.0.2.7
    wait_banned: true
    wait_seconds: 30
  register: seen
  failed_when: not seen.banned
"""

RETURN = r"""
installed:
  description: Whether fail2ban is there.
  returned: success
  type: bool
running:
  description: Whether its server answers.
  returned: success
  type: bool
switched_off:
  description: It does not run, since its unit is disabled or masked.
  returned: success
  type: bool
problem:
  description: Why nothing is known of the jail, or nothing.
  returned: success
  type: str
  sample: fail2ban is not installed
jail:
  description: The jail; null when it is not there, or nobody could ask, and with O(state=absent).
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    maxretry:
      description: It bans after so many failures.
      type: int
    findtime_seconds:
      description: That came within so many seconds.
      type: int
    bantime_seconds:
      description: For so long; negative without an end.
      type: int
    actions:
      description: The names of its actions.
      type: list
      elements: str
    blocking_actions:
      description: How many of them run anything at all when they ban.
      type: int
    failed_total:
      description: The failures that it has counted since it was started.
      type: int
    may_be_ignored:
      description: Why nobody can tell whether it leaves the address alone (a name in C(ignoreip), an C(ignorecommand)), or nothing.
      type: str
banned:
  description: Whether the jail bans the address now; with O(state=absent) always V(false).
  returned: success
  type: bool
refused:
  description:
    - Why a ban of the address must not be provoked, or would show nothing. It is the address from which this run is logged in, it is
      banned already, it is in C(ignoreip), or a single failure bans. Otherwise nothing.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.fail2ban import SOCKET
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_bans import jail_ban


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "jail": {"type": "str", "default": "sshd"},
        "address": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["query", "absent"], "default": "query"},
        "every_jail": {"type": "bool", "default": False},
        "wait_failures": {"type": "int", "default": 0},
        "wait_banned": {"type": "bool", "default": False},
        "wait_seconds": {"type": "float", "default": 0.0},
        "fail2ban_socket": {"type": "path", "default": SOCKET},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = jail_ban(module.params, check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
