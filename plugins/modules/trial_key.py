#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a key that may do nothing into an account for a trial, and take it away again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: trial_key
version_added: 0.1.0
short_description: Put a key that may do nothing into an account for a trial, and take it away again
description:
  - Puts one line before all others of a file of authorized keys. Its key may run C(true) and nothing else (C(restrict), C(command)), and
    ends by itself after O(valid_seconds), also when nobody takes it away.
  - O(state=absent) takes away every line that this module has put there, those of runs that were killed included. Every other byte of the
    file, its owner, rights and further attributes stay. A file that was made for the line goes with it.
  - It works with the files of keys as M(upkeep.runbook.account_containment) does. Nothing below the home is followed when it is a link, and
    the file is exchanged as a whole. That module takes away whole files, which would shut everybody out who has a key in one.
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
    support: partial
    details:
      - O(state=present) writes the line again, with another end.
options:
  user:
    description: A local account, which may do as little as possible. Root, and an account that is contained, are refused.
    type: str
    required: true
  state:
    description: Whether the key is there.
    type: str
    choices: [present, absent]
    default: present
  public_key:
    description: The public half of an ed25519 key as C(ssh-keygen) writes it. Its comment is not used. Needed with O(state=present).
    type: str
  key_file:
    description:
      - The file of keys, absolute or below the home. C(%u) is the account, C(%U) its number, C(%h) its home, C(%%) a percent sign, as in
        C(AuthorizedKeysFile) of sshd. Its folder must be there.
    type: str
    default: .ssh/authorized_keys
  valid_seconds:
    description: The key is good for so long, V(60) to V(3600) seconds, and for up to two minutes more, since sshd reads minutes.
    type: int
    default: 300
  state_directory:
    description: Folder of the lock that M(upkeep.runbook.account_containment) has, too, and of what that has contained.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds.
    type: float
    default: 30.0
  run_id:
    description: Id of the run.
    type: str
seealso:
  - module: upkeep.runbook.account_containment
  - module: upkeep.runbook.ssh_login
"""

EXAMPLES = r"""
- name: Let a key in for a moment
  upkeep.runbook.trial_key:
    user: monitor
    public_key: "{{ lookup('ansible.builtin.file', 'key.pub') }}"

- name: Take it away
  upkeep.runbook.trial_key:
    user: monitor
    state: absent
"""

RETURN = r"""
key_file:
  description: The file.
  returned: success
  type: str
  sample: /home/monitor/.ssh/authorized_keys
leftover:
  description: Whether a line of this module was there.
  returned: success
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.trial_keys import trial_key
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "user": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "public_key": {"type": "str", "no_log": False},
        "key_file": {"type": "str", "default": ".ssh/authorized_keys", "no_log": False},
        "valid_seconds": {"type": "int", "default": 300},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = trial_key(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
