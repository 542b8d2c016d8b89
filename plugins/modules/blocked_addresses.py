#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say which addresses a host blocks, by whom and until when."""

from __future__ import annotations

DOCUMENTATION = r"""
module: blocked_addresses
version_added: 0.1.0
short_description: Say which addresses a host blocks, by whom and until when
description:
  - Lists the addresses and networks that M(upkeep.runbook.ip_block) blocks, as with O(upkeep.runbook.ip_block#module:state=query), and
    those that fail2ban bans where it is installed.
  - Where M(upkeep.runbook.nft_rules) has loaded rules on the host, it also says whether they are in force, as with
    O(upkeep.runbook.nft_rules#module:state=query).
  - Where nftables is not installed and nobody ever blocked an address with M(upkeep.runbook.ip_block), none is blocked, which is V(ok).
  - Changes nothing.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  fail2ban_socket:
    description: Where the server of fail2ban listens.
    type: path
    default: /var/run/fail2ban/fail2ban.sock
  state_directory:
    description: Folder in which M(upkeep.runbook.ip_block) keeps its reasons, and M(upkeep.runbook.nft_rules) its record.
    type: path
    default: /var/lib/upkeep
notes:
  - The kernel's rules and fail2ban are shown to root only.
  - Of fail2ban 50 jails are looked at. Further ones make C(fail2ban.jails) V(unknown).
seealso:
  - module: upkeep.runbook.ip_block
  - module: upkeep.runbook.nft_rules
"""

EXAMPLES = r"""
- name: Look at who is blocked
  upkeep.runbook.blocked_addresses:
  register: blocks
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(firewall.blocked) and C(firewall.ledger), as of M(upkeep.runbook.ip_block).
    - C(fail2ban.jails) where fail2ban is installed. It is a warning when it does not run although its unit is enabled, or has no
      jail, and V(unknown) when it does not answer, or lists what cannot be read.
    - C(rules.nftables), as of M(upkeep.runbook.nft_rules), where that has a record.
  returned: success
  type: list
  elements: dict
  sample:
    - check: fail2ban.jails
      subject: fail2ban
      status: ok
      summary: "fail2ban bans 2 addresses now, and banned 17 since it was started; jails: sshd."
      value: 2
      unit: addresses
      warning: null
      critical: null
blocked:
  description: What is blocked, at most 1000 unless O(return_all).
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address or network.
      type: str
    by:
      description: V(ip_block) or V(fail2ban).
      type: str
    jail:
      description: The jail of fail2ban, or nothing.
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
jails:
  description: The jails of fail2ban, with C(name), C(failed) and C(banned_total) since it was started, and C(banned) now.
  returned: success
  type: list
  elements: dict
totals:
  description:
    - How many addresses and networks are C(blocked), the C(dropped_packets), and how many addresses are C(banned) by fail2ban.
      What is not known, or not there, is null.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocked_now import blocked_now
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.fail2ban import SOCKET
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "fail2ban_socket": {"type": "path", "default": SOCKET},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = blocked_now(module.params, now=utc_now())
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
