#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Review who may enter a host and what they may do there, beside what was accepted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: access_review
version_added: 0.1.0
short_description: Review accounts, sudo rights and SSH keys of a host, beside what was accepted with a reason
description:
  - Reads C(passwd), C(shadow), C(group), C(sudoers) with all that it includes, the C(authorized_keys) of every account, and the records
    of logins. Says what is wrong by itself, what is not used any more, and what is new since the present access was accepted.
  - Never returns a password or its hash. Of the options of keys only the names are returned, since commands may hold secrets.
  - Accounts of a directory service (LDAP and the like) are not looked at; only those in the files of the host.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Says what O(state=accepted) accepts. O(state=checked) changes nothing.
  idempotent:
    support: full
options:
  state:
    description:
      - V(checked) looks and changes nothing.
      - V(accepted) makes the present access the baseline. Where nothing differs, the baseline stays as it is.
    type: str
    choices: [checked, accepted]
    default: checked
  reason:
    description: Why the present access is accepted. It is kept in the baseline. Required with O(state=accepted).
    type: str
  expected:
    description:
      - What is meant to be, beside what the baseline holds. With all three lists no baseline is needed.
    type: dict
    suboptions:
      accounts:
        description: Names of accounts.
        type: list
        elements: str
      keys:
        description: Fingerprints of keys, as C(ssh-keygen -l) shows them (C(SHA256:…)).
        type: list
        elements: str
      sudo:
        description: Names of accounts, or C(%group) without members, whose rights to use sudo are known, without a password too.
        type: list
        elements: str
  expected_digest:
    description: The RV(baseline.digest) of the baseline as it was accepted, kept where nobody on this host can write.
    type: str
  severity:
    description: How bad a new account, key or right is.
    type: str
    choices: [warning, critical]
    default: critical
  unused_days:
    description:
      - An account that lets somebody in and was not used for so long is a warning, in days, V(0) to V(36500). V(0) switches the check off.
    type: float
    default: 90.0
  password_max_days:
    description: A password that is so old is a warning, in days, V(0) to V(36500). V(0) switches the threshold off.
    type: float
    default: 0.0
  timeout_seconds:
    description: How long C(visudo) may take, V(0.1) to V(3600), in seconds.
    type: float
    default: 30.0
  state_directory:
    description: Folder of the baseline (C(access.json)) and of the lock of the host. It is created with mode C(0700).
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long O(state=accepted) waits for another acting run on the host, V(0) to V(86400), in seconds.
    type: float
    default: 0.0
  run_id:
    description: The id of this run, which a second run is told meanwhile.
    type: str
seealso:
  - module: upkeep.runbook.file_integrity
"""

EXAMPLES = r"""
- name: Review the access to the host
  upkeep.runbook.access_review:
    expected:
      sudo: [deploy]
    password_max_days: 365

- name: Accept it
  upkeep.runbook.access_review:
    state: accepted
    reason: Reviewed with the team, quarter 4
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: warning
checks:
  description:
    - C(access.accounts), C(access.sudo), C(access.keys) for each account, rule and file of keys with a flaw and for what is new;
      C(access.unused) for accounts that are not used; C(access.baseline).
  type: list
  elements: dict
  returned: success
  sample:
    - check: access.accounts
      subject: toor
      status: critical
      summary: "toor: it has the number 0 and so all rights of root."
      value: null
      unit: null
      warning: null
      critical: null
      hint: "Look who uses it: last toor; lock it: usermod -L"
baseline:
  description: C(path), C(digest), C(accepted) and C(reason) of the baseline, or null when there is none.
  type: dict
  returned: success
accounts:
  description:
    - The accounts, at most 1000, each with C(name), C(uid), C(gid), C(home), C(shell), C(groups), C(password) (V(set), V(locked),
      V(empty), V(none) or V(unknown)), C(password_changed), C(expires), C(keys) (how many) and C(last_used).
  type: list
  elements: dict
  returned: success
keys:
  description:
    - The keys that open accounts, at most 1000, each with C(account), C(path), C(line), C(type), C(bits), C(fingerprint), C(comment) and
      the names of its C(options).
  type: list
  elements: dict
  returned: success
sudo:
  description:
    - The rules of sudo, at most 1000, each with C(who), C(accounts), C(run_as), C(no_password), C(everything), C(commands) and C(place).
  type: list
  elements: dict
  returned: success
news:
  description: What is C(new) and what is C(gone) since the baseline, each as C(accounts), C(keys) and C(sudo).
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.reviewing import review_access
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    expected = {
        "accounts": {"type": "list", "elements": "str"},
        # no_log is said since the name alone would warn: these are fingerprints of public keys.
        "keys": {"type": "list", "elements": "str", "no_log": False},
        "sudo": {"type": "list", "elements": "str"},
    }
    return {
        "state": {"type": "str", "choices": ["checked", "accepted"], "default": "checked"},
        "reason": {"type": "str"},
        "expected": {"type": "dict", "options": expected},
        "expected_digest": {"type": "str"},
        "severity": {"type": "str", "choices": ["warning", "critical"], "default": "critical"},
        "unused_days": {"type": "float", "default": 90.0},
        "password_max_days": {"type": "float", "default": 0.0, "no_log": False},
        "timeout_seconds": {"type": "float", "default": 30.0},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = review_access(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
