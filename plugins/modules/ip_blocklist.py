#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Block what lists of addresses hold, and release what they hold no more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_blocklist
version_added: 0.1.0
short_description: Block what lists of addresses hold, and release what they hold no more
description:
  - Takes the text of lists as they are published (Spamhaus DROP, FireHOL and other netsets, C(ipset save), or one's own), and makes what they
    hold the blocks of M(upkeep.runbook.ip_block) that carry the reason C(blocklist <name>). What is on no list any more is released. Blocks of
    incidents, and whatever else has another reason, stay as they are.
  - All lists are judged before anything is changed. One that is empty, that is much shorter or longer than it was, or of which a line cannot be
    read is refused, and with it all of them.
  - All of it is one transaction in the table C(inet upkeep_block).
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
      - A block is renewed when half of its time is over, so that the same lists soon after change nothing.
options:
  state:
    description:
      - V(present) makes the lists the blocks.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, query]
    default: present
  lists:
    description:
      - All lists of the host. One that was there last time and is missing now is released.
      - What two lists hold belongs to the first of them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, up to 64 letters, digits, dots, underscores and hyphens.
        type: str
        required: true
      content:
        description:
          - Its text. An address, a network or a range (V(192.0.2.1-192.0.2.9)) in a line, IPv4 and IPv6, alone or before a comment that begins
            with C(#) or C(;).
          - Also the lines of C(ipset save), and the lines of JSON that Spamhaus publishes.
        type: str
        default: ""
  skip_invalid:
    description: Leave lines out that cannot be read, which is a warning, instead of refusing the lists.
    type: bool
    default: false
  max_change_percent:
    description:
      - A list that has shrunk or grown by more than this since it was applied last, in networks after merging, is refused, V(0) to V(1000000)
        percent. Ten networks more or less are always accepted.
    type: float
    default: 50.0
  accept_change:
    description: Names of lists that may have changed as they like this time, also to nothing.
    type: list
    elements: str
    default: []
  timeout_seconds:
    description:
      - A list that nobody renews ends after so many seconds, V(0) to V(315360000). V(0) is without an end.
    type: int
    default: 604800
  allow:
    description: What is never blocked, as O(upkeep.runbook.ip_block#module:allow).
    type: list
    elements: str
  state_directory:
    description: Folder of the reasons, of the sizes of the lists and of the lock. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds.
    type: float
    default: 30.0
  run_id:
    description: Id of the run, which is noted with each block.
    type: str
notes:
  - At most 10000 addresses and networks are blocked at a time, those of incidents included. Lists that hold more are refused.
  - Loopback, the operator's own address, what belongs to O(allow), multicast and networks that are wider than /8 (IPv6 /16) are never blocked.
requirements:
  - nftables 1.0 or newer on the host. Without it, O(state=query) is V(unknown) and V(present) fails.
seealso:
  - module: upkeep.runbook.ip_block
  - module: upkeep.runbook.nft_rules
"""

EXAMPLES = r"""
- name: Block what Spamhaus lists
  upkeep.runbook.ip_blocklist:
    lists:
      - name: spamhaus-drop
        content: "{{ lookup('ansible.builtin.file', 'files/drop.txt') }}"
    allow: [198.51.100.0/24]
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(rules.blocklists) for each list. A warning when it holds what belongs to O(allow) or the operator, or a line that cannot be read.
    - With O(state=query) it is judged by what was blocked for the list when it was applied, and not for another list or an incident. Critical when
      the kernel has lost some of that, or none of it is blocked any more; a warning when some was released or has ended.
  returned: success
  type: list
  elements: dict
  sample:
    - check: rules.blocklists
      subject: spamhaus-drop
      status: ok
      summary: 1204 networks of 1211 lines are blocked until 2026-11-29T01:53:56Z at most.
      value: 1204
      unit: networks
      warning: null
      critical: null
lists:
  description: Each list with its C(name), C(networks), C(lines), C(mistakes), what of it was C(spared), and how many networks were C(left_out).
  returned: when acting
  type: list
  elements: dict
added:
  description: What is blocked anew, at most 1000 unless O(return_all), as RV(upkeep.runbook.ip_block#module:blocked).
  returned: when acting
  type: list
  elements: dict
removed:
  description: What was released, at most 1000 unless O(return_all).
  returned: when acting
  type: list
  elements: dict
ruleset:
  description: The transaction, at most 2000 lines; empty when the kernel has it already.
  returned: when acting
  type: str
totals:
  description: How many are C(blocked), and how many were C(added), C(removed) and C(renewed).
  returned: success
  type: dict
mistakes:
  description: By list, at most 20 lines that cannot be read.
  returned: when lines were refused
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_applying import apply_lists
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    entry = {"name": {"type": "str", "required": True}, "content": {"type": "str", "default": ""}}
    return {
        "state": {"type": "str", "choices": ["present", "query"], "default": "present"},
        "lists": {"type": "list", "elements": "dict", "options": entry, "default": []},
        "skip_invalid": {"type": "bool", "default": False},
        "max_change_percent": {"type": "float", "default": 50.0},
        "accept_change": {"type": "list", "elements": "str", "default": []},
        "timeout_seconds": {"type": "int", "default": 604_800},
        "allow": {"type": "list", "elements": "str"},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = apply_lists(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
