#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring jails of fail2ban up to date, or leave them as they were."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban_jails
version_added: 0.1.0
short_description: Bring jails and filters of fail2ban up to date, or leave them as they were
description:
  - Writes a file of jails and, if needed, filters, lets fail2ban read its configuration anew, and waits until every jail runs. When one does
    not, the files from before are back, fail2ban has read them, and the call fails.
  - Before anything is changed, the programs of fail2ban judge a private copy of the whole configuration with the new files in it. Filters look
    at sample lines, and no jail of the result may ban the operator or somebody of O(ignored).
  - A run that is killed is put back by the next one.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - What would be refused is refused. The copy is in a private folder for temporary files.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) brings the files and the jails up to date.
      - V(absent) takes the files away that this module wrote.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, absent, query]
    default: present
  name:
    description:
      - Name of the file of jails, C(jail.d/<name>.local). Up to 64 letters, digits, underscores and hyphens.
      - A file of jails or a filter that is there and not from this module is not replaced.
    type: str
    default: upkeep
  jails:
    description: The text of that file, with O(state=present).
    type: str
  filters:
    description: Filters of one's own, each C(filter.d/<name>.local). One that was there last time and is missing now is taken away.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, as a jail names it.
        type: str
        required: true
      content:
        description: The text of its file.
        type: str
        required: true
      must_match:
        description: Lines of a log in which it must find somebody.
        type: list
        elements: str
        default: []
      must_not_match:
        description: Lines in which it must find nobody.
        type: list
        elements: str
        default: []
  ignored:
    description: Addresses and networks that must be in C(ignoreip) of every jail, beside the address from which the run is logged in.
    type: list
    elements: str
    default: []
  allow_unignored:
    description: Let jails ban them all the same.
    type: bool
    default: false
  wait_seconds:
    description: The jails must run within so many seconds, V(1) to V(600).
    type: float
    default: 30.0
  config_directory:
    description: Folder of the configuration of fail2ban.
    type: path
    default: /etc/fail2ban
  socket:
    description: Socket of the server of fail2ban.
    type: path
    default: /var/run/fail2ban/fail2ban.sock
  state_directory:
    description: Folder of the record, which holds the files from before, and of the lock. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds.
    type: float
    default: 30.0
  run_id:
    description: Id of the run, which is noted.
    type: str
requirements:
  - fail2ban 1.0 or newer on the host, and its server runs.
seealso:
  - module: upkeep.runbook.ip_blocklist
  - module: upkeep.runbook.nft_rules
"""

EXAMPLES = r"""
- name: Ban who fails at the door
  upkeep.runbook.fail2ban_jails:
    jails: |
      [DEFAULT]
      ignoreip = 127.0.0.1/8 ::1 198.51.100.0/24
      [door]
      enabled = true
      logpath = /var/log/door.log
    filters:
      - name: door
        content: |
          [Definition]
          failregex = ^.* failed from <HOST>$
        must_match: ["2026-11-22 01:53:56 failed from 192.0.2.7"]
        must_not_match: ["2026-11-22 01:53:56 welcome to 192.0.2.7"]
    ignored: [198.51.100.0/24]
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(rules.fail2ban) says how many jails run. With O(state=query) it is critical when one does not, or a file is not what was written.
  returned: success
  type: list
  elements: dict
  sample:
    - check: rules.fail2ban
      subject: fail2ban
      status: ok
      summary: 2 jails run (door, sshd).
      value: 2
      unit: jails
      warning: null
      critical: null
jails:
  description: The jails that run, or would in check mode.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_applying import apply_jails
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    one = {
        "name": {"type": "str", "required": True},
        "content": {"type": "str", "required": True},
        "must_match": {"type": "list", "elements": "str", "default": []},
        "must_not_match": {"type": "list", "elements": "str", "default": []},
    }
    return {
        "state": {"type": "str", "choices": ["present", "absent", "query"], "default": "present"},
        "name": {"type": "str", "default": "upkeep"},
        "jails": {"type": "str"},
        "filters": {"type": "list", "elements": "dict", "options": one, "default": []},
        "ignored": {"type": "list", "elements": "str", "default": []},
        "allow_unignored": {"type": "bool", "default": False},
        "wait_seconds": {"type": "float", "default": 30.0},
        "config_directory": {"type": "path", "default": "/etc/fail2ban"},
        "socket": {"type": "path", "default": "/var/run/fail2ban/fail2ban.sock"},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = apply_jails(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
