#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load rules of nftables, with a way back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nft_rules
version_added: 0.1.0
short_description: Load rules of nftables from a file, and take them back unless somebody confirms them
description:
  - Loads a file of rules in one transaction. The file holds whole tables; each of them is replaced as a whole, and one that the file does
    not define any more goes. Other tables, such as those of containers, of fail2ban and of this collection, are never touched.
  - Before anything is changed nft and the kernel judge the rules, and whether the present ones can be brought back.
  - Before the rules are loaded, a timer of systemd is armed that brings the ones from before back after O(revert_seconds). Whoever comes
    back in over a new connection and calls O(state=confirmed) stops it. Only then are the rules written into O(path), so that a restart before
    that brings the ones from before back as well.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - What would be refused is refused.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - The same rules stay as they are as long as the kernel has them; what traffic changes in them does not count.
options:
  state:
    description:
      - V(present) loads the rules until the timer takes them back.
      - V(confirmed) stops the timer and writes the rules for the next start. It never loads any. Rules that another O(run_id) has loaded are
        refused, since this run may have come in before them.
      - V(reverted) puts the rules from before back now, where nobody confirmed the present ones.
      - V(absent) takes the rules away, from the kernel and from O(path).
      - Where systemd does not say whether a timer runs, V(present) and V(confirmed) are refused. V(reverted) and V(absent) are done, with a
        warning; the file that the timer would load is gone then, so that it changes nothing.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, confirmed, reverted, absent, query]
    default: present
  content:
    description:
      - The rules, with O(state=present). Accepted are whole tables (C(table inet filter { … })) and C(define).
      - Refused are C(flush ruleset), which would take away the tables of everybody, C(include), C(add) and other commands, and tables whose name
        begins with C(upkeep_). So is C(flags owner), since nobody else than the owner could take such a table back.
    type: str
  path:
    description: File of the rules on the host, of root with mode 0600.
    type: path
    default: /etc/nftables.d/upkeep-rules.nft
  configuration:
    description:
      - What C(nftables.service) loads. Where it does not include O(path), a line that does is added at its end. It must be accepted by nft.
      - Empty when something else loads O(path). A file that does not exist is not made.
    type: str
    default: /etc/nftables.conf
  revert_seconds:
    description: After this time the rules from before are back unless the new ones were confirmed, V(10) to V(86400) seconds.
    type: int
    default: 120
  state_directory:
    description:
      - Folder of the record, of the previous files (C(nft_rules.previous.nft), C(nftables.conf.previous)) and of the lock. It is created with mode
        0700.
      - Tables of somebody else that the rules have replaced are kept there as C(nft_rules.replaced-*.nft).
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds.
    type: float
    default: 30.0
  run_id:
    description: Id of the run, which is noted.
    type: str
notes:
  - Over a connection that is local, coming back proves nothing.
  - C(nftables.service) must be enabled for the rules to be loaded after a restart; this module does not enable it, and says when it is not.
requirements:
  - nftables 1.0 or newer and systemd on the host. Without nftables O(state=query) is V(unknown).
seealso:
  - module: upkeep.runbook.host_isolate
  - module: upkeep.runbook.ip_blocklist
"""

EXAMPLES = r"""
- name: Load the rules
  upkeep.runbook.nft_rules:
    content: "{{ lookup('ansible.builtin.file', 'files/rules.nft') }}"

- name: Come back in over a new connection
  ansible.builtin.meta: reset_connection

- name: The way back works, so stop the timer
  upkeep.runbook.nft_rules:
    state: confirmed
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(rules.nftables) says whether the rules are in force, and whether they would be after a restart, which is a warning when not. It is critical
      when the kernel has others, or when a timer has taken them back, and unknown where nobody can tell whether a timer will.
  returned: success
  type: list
  elements: dict
  sample:
    - check: rules.nftables
      subject: /etc/nftables.d/upkeep-rules.nft
      status: ok
      summary: The rules (inet filter) are in force since 2026-11-22T01:53:56Z, and after a restart.
      value: null
      unit: null
      warning: null
      critical: null
rules:
  description: What there is after the call; in check mode, before it.
  returned: success
  type: dict
  contains:
    tables:
      description: Which tables they are.
      type: list
      elements: str
    in_force:
      description: Whether the kernel has what was loaded.
      type: bool
    confirmed:
      description: Whether somebody came back and stopped the timer.
      type: bool
    since:
      description: Since when, UTC; null when there is no record.
      type: str
    run_id:
      description: The run that loaded them.
      type: str
    reverts_at:
      description: When the timer takes them back, UTC; null when there is none.
      type: str
    timers:
      description: The timers that run; null when nobody can tell.
      type: list
      elements: str
    kept:
      description: Whether they would be in force after a restart.
      type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_loading import manage_rules
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "state": {"type": "str", "choices": ["present", "confirmed", "reverted", "absent", "query"], "default": "present"},
        "content": {"type": "str"},
        "path": {"type": "path", "default": "/etc/nftables.d/upkeep-rules.nft"},
        "configuration": {"type": "str", "default": "/etc/nftables.conf"},
        "revert_seconds": {"type": "int", "default": 120},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = manage_rules(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
