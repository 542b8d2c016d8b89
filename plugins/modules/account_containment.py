#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shut local accounts, so that they can be opened again as they were."""

from __future__ import annotations

DOCUMENTATION = r"""
module: account_containment
version_added: 0.1.0
short_description: Shut accounts, move their keys aside, end their sessions, and take that back
description:
  - Locks the password of a local account and lets the account expire, ends its sessions, and moves its files of authorized keys into
    a folder of root.
  - How it was is noted first, so O(state=absent) gives everything back, the line in C(/etc/shadow) and the files of keys byte for
    byte. Nothing that somebody else has changed meanwhile is overwritten. No password and no hash of one is noted.
  - The sessions of an account are the processes of whoever logged in as it, whatever user they have become since. Services that run as
    the account go on. Processes that started this run are never ended.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Sessions and files of keys that are new are dealt with by the next run.
options:
  users:
    description: Names of local accounts. For O(state=query) none means all that are contained.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) contains the accounts, V(absent) gives them back.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, absent, query]
    default: present
  lock:
    description: Whether to lock the password and let the account expire. An empty password is not locked; the account expires.
    type: bool
    default: true
  remove_keys:
    description: Whether to move files of keys aside.
    type: bool
    default: true
  key_files:
    description:
      - Files of keys, absolute or below the home. C(%u) is the account, C(%h) its home, C(%%) a percent sign, as in
        C(AuthorizedKeysFile) of sshd.
      - A file behind a link below the home is not touched; the check C(account.keys) is then V(critical).
    type: list
    elements: str
    default: [.ssh/authorized_keys, .ssh/authorized_keys2]
  end_sessions:
    description: Whether to end sessions, at once and with a signal that cannot be caught.
    type: bool
    default: true
  allow_root:
    description: Contain root, too, when it is named.
    type: bool
    default: false
  allow_operator:
    description: Contain the account from which this run was started, too, when it is named.
    type: bool
    default: false
  reason:
    description: Why, for people; at most 200 characters.
    type: str
    default: ""
  state_directory:
    description: Folder of what is noted and of the lock that keeps such runs apart on a host. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds. Other procedures are not waited for.
    type: float
    default: 30.0
  run_id:
    description: Id of the run, which is noted.
    type: str
notes:
  - Accounts of a directory such as LDAP, tokens, and keys in an C(AuthorizedKeysCommand) are not touched.
seealso:
  - module: upkeep.runbook.host_isolate
"""

EXAMPLES = r"""
- name: Shut an account that was taken over
  upkeep.runbook.account_containment:
    users: [deploy]
    reason: INC-42

- name: Give it back
  upkeep.runbook.account_containment:
    users: [deploy]
    state: absent

- name: Look whether what is contained still is
  upkeep.runbook.account_containment:
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
    - C(account.login), C(account.keys) and C(account.sessions) for each account. Critical when a contained account can be logged in to, has
      keys or has sessions; a warning when an account was given back and somebody had changed it meanwhile.
  returned: success
  type: list
  elements: dict
  sample:
    - check: account.login
      subject: deploy
      status: ok
      summary: deploy is contained since 2026-11-22T05:00:00Z (INC-42).
      value: null
      unit: null
      warning: null
      critical: null
accounts:
  description: One for each account.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: Its name.
      type: str
    contained:
      description: Whether it is contained.
      type: bool
    since:
      description: Since when, UTC; null when it is not.
      type: str
    reason:
      description: Why.
      type: str
    locked:
      description: Whether it was shut now, or would be.
      type: bool
    key_files:
      description: The files of keys that were moved now, or would be.
      type: list
      elements: str
    sessions_ended:
      description: How many processes of sessions were ended.
      type: int
    sessions:
      description: Processes of sessions that are left; in check mode those that would be ended.
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.containing import contain_accounts
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    key_files = [".ssh/authorized_keys", ".ssh/authorized_keys2"]
    return {
        "users": {"type": "list", "elements": "str", "default": []},
        "state": {"type": "str", "choices": ["present", "absent", "query"], "default": "present"},
        "lock": {"type": "bool", "default": True},
        "remove_keys": {"type": "bool", "default": True},
        "key_files": {"type": "list", "elements": "str", "default": key_files, "no_log": False},
        "end_sessions": {"type": "bool", "default": True},
        "allow_root": {"type": "bool", "default": False},
        "allow_operator": {"type": "bool", "default": False},
        "reason": {"type": "str", "default": ""},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = contain_accounts(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
