#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Block addresses with nftables, with a reason and an end."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_block
version_added: 0.1.0
short_description: Block addresses and networks, with a reason and an end
description:
  - Drops what comes from given addresses and networks, and what goes to them, before anything else on the host sees it.
    IPv4 and IPv6, packets that are forwarded to containers included.
  - Everything is in one nftables table of its own, C(inet upkeep_block), which each call replaces as a whole in one
    transaction. Other rules are never touched. When nothing is blocked there is no table.
  - The kernel lets go of a block when its time is over. Reasons and ends are also kept in C(ip_block.json) in the state
    directory. After a restart of the host, or a flush of all rules, O(state=query) says what is lost, and O(state=present) puts it
    back.
  - Loopback, the address from which the run is logged in, networks that are wider than /8 (IPv6 /16), multicast and
    link-local addresses are refused, and so is what belongs to O(allow). A block that holds an allowed address spares it.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
attributes:
  check_mode:
    support: full
    details:
      - The rules are shown, and judged by C(nft -c).
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - An address that is blocked with the same O(timeout_seconds) and O(reason) keeps the end that it has.
options:
  state:
    description:
      - V(present) blocks, and puts back what the kernel has lost; without an address it only does the latter.
      - V(absent) releases.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, absent, query]
    default: present
  address:
    description: An address or network, such as V(192.0.2.7), V(198.51.100.0/24) or V(2001:db8::/32).
    type: str
  entries:
    description: Several of them. What one leaves out comes from the option of the same name of the module.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: As O(address).
        type: str
        required: true
      timeout_seconds:
        description: As O(timeout_seconds).
        type: int
      reason:
        description: As O(reason).
        type: str
  timeout_seconds:
    description: For how long, in seconds, V(0) to V(315360000). V(0) is without an end.
    type: int
    default: 86400
  reason:
    description: Why, for people; at most 200 characters.
    type: str
    default: ""
  allow:
    description:
      - Addresses and networks that are never blocked, such as those of the operators, of monitoring and of proxies.
      - When it is left out, what was given last holds. An empty list allows none.
    type: list
    elements: str
  skip_refused:
    description:
      - Block the rest when something is refused. Each refused address is then a check that is V(warning).
      - Otherwise the call fails and changes nothing.
    type: bool
    default: false
  all:
    description: With O(state=absent), release everything.
    type: bool
    default: false
  state_directory:
    description: Folder of the reasons and of the lock that keeps such runs apart on a host. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds. Other procedures are not waited for.
    type: float
    default: 30.0
  run_id:
    description: Id of the run, which is noted with each block.
    type: str
notes:
  - A connection over IPv6 that carries an IPv4 address (C(::ffff:192.0.2.7)) is one of IPv4, and blocked as such.
  - At most 10000 addresses and networks are blocked at a time.
requirements:
  - nftables 1.0 or newer on the host (the program C(nft)). Without it, O(state=query) is V(unknown) and the other states fail.
seealso:
  - module: upkeep.runbook.host_isolate
"""

EXAMPLES = r"""
- name: Block a scanner for a week
  upkeep.runbook.ip_block:
    address: 192.0.2.7
    timeout_seconds: 604800
    reason: "INC-42: 300 failed logins in an hour"
    allow: [198.51.100.0/24, "2001:db8:1::/48"]

- name: Block a list, and leave out what must not be blocked
  upkeep.runbook.ip_block:
    entries:
      - {address: 203.0.113.0/24, reason: "flood, 2026-11-22"}
      - {address: "2001:db8:bad::/48", timeout_seconds: 0}
    skip_refused: true

- name: Release everything
  upkeep.runbook.ip_block:
    state: absent
    all: true

- name: Look at what is blocked
  upkeep.runbook.ip_block:
    state: query
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(firewall.blocked) says how much is blocked; a warning when the kernel does not block it, or what was to be released
      is still blocked as part of a network.
    - C(firewall.ledger) is a warning when the kernel and the ledger differed, C(firewall.refused) when something was refused
      with O(skip_refused).
  returned: success
  type: list
  elements: dict
  sample:
    - check: firewall.blocked
      subject: upkeep_block
      status: ok
      summary: 3 addresses and networks are blocked, 1 of them without an end; 1042 packets were dropped.
      value: 3
      unit: addresses
      warning: null
      critical: null
blocked:
  description: What is blocked, or would be in check mode; at most 1000 unless O(return_all).
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address or network.
      type: str
    reason:
      description: Why.
      type: str
    added:
      description: Since when, UTC.
      type: str
    expires:
      description: Until when, UTC; null without an end.
      type: str
    timeout_seconds:
      description: What was asked for.
      type: int
    run_id:
      description: The run that asked.
      type: str
added:
  description: What is blocked anew, or with another end or reason, as RV(blocked).
  returned: when acting
  type: list
  elements: dict
removed:
  description: What was released, as RV(blocked).
  returned: when acting
  type: list
  elements: dict
refused:
  description: What must not be blocked, with C(address) and C(reason).
  returned: when acting, or when something was refused
  type: list
  elements: dict
ruleset:
  description: The transaction, at most 2000 lines; empty when the kernel has it already.
  returned: when acting
  type: str
totals:
  description:
    - How many are C(blocked), C(lost) by the kernel and C(strays) of somebody else before the call, and the C(dropped_packets) and
      C(dropped_bytes) since the table exists.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import block_addresses
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    entry = {
        "address": {"type": "str", "required": True},
        "timeout_seconds": {"type": "int"},
        "reason": {"type": "str"},
    }
    return {
        "state": {"type": "str", "choices": ["present", "absent", "query"], "default": "present"},
        "address": {"type": "str"},
        "entries": {"type": "list", "elements": "dict", "options": entry, "default": []},
        "timeout_seconds": {"type": "int", "default": 86_400},
        "reason": {"type": "str", "default": ""},
        "allow": {"type": "list", "elements": "str"},
        "skip_refused": {"type": "bool", "default": False},
        "all": {"type": "bool", "default": False},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = block_addresses(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
