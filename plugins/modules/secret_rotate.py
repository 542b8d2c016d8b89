#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give secrets in files of settings new random values."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_rotate
version_added: 0.1.0
short_description: Give secrets in files of settings (.env) new random values, and take that back until it is confirmed
description:
  - Writes new random values for named keys, such as the secret with which a service signs its tokens. Every other byte of the file stays,
    and so do its mode, owner, ACLs and other attributes. Several files, or several keys, get the same value where they are places of one
    secret.
  - All files are looked at before one is written. Copies of them, for root only, and a record come first; a run that was killed is put back
    by the next one, whatever that was started for. So there are never some files with the new value and others with the old one for good.
  - Values are in no result, no difference, no message, no record and on no command line. The host makes them, and they never leave it.
  - What has got its new value under an id keeps it, so the second run with the same O(rotation_id) changes nothing. A key that has its old
    value again, such as after its file was restored from a backup, is rotated anew.
  - Programs read such files in different ways. A value of several lines, one behind a colon, one with quotes or blanks in the middle, one that
    is another variable, an empty one, and a key that is there twice are refused.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - It shows which keys of which files change.
  idempotent:
    support: full
    details:
      - With the same O(rotation_id).
options:
  state:
    description:
      - V(present) rotates. V(confirmed) notes that the services run with the new values.
      - V(previous) puts the old values back, but none over what somebody has changed since.
      - V(released) removes the copies from before, so that the old values are gone.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, confirmed, previous, released, query]
    default: present
  rotation_id:
    description:
      - Id under which the values change, such as that of an incident. Up to 64 letters, digits, dots, underscores and hyphens,
        without C(.json) at the end.
      - Needed unless O(state=query), which then looks at all.
    type: str
    default: ""
  secrets:
    description: The secrets. Needed for O(state=present); for the other states none means all of the O(rotation_id).
    type: list
    elements: dict
    default: []
    suboptions:
      places:
        description: Where the one secret stands. All places get the same value.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description:
              - The file, which only its owner may write, with one name, and not reached over a link. The same holds for its folder.
            type: path
            required: true
          key:
            description: The key, which the file has once.
            type: str
            required: true
      encoding:
        description:
          - How the random value is written. V(base64url) and V(hex) write O(secrets[].bytes) random bytes, V(alphanumeric) takes
            O(secrets[].characters) letters and digits.
        type: str
        choices: [base64url, hex, alphanumeric]
        default: base64url
      bytes:
        description: How many random bytes a value of V(base64url) or V(hex) has, V(16) to V(512).
        type: int
        default: 48
      characters:
        description: How many characters a value of V(alphanumeric) has, V(22) to V(1024).
        type: int
        default: 64
  only_unconfirmed:
    description: For the other states than O(state=present), leave out what is confirmed already.
    type: bool
    default: false
  release_days:
    description: For O(state=query), old values that are kept for more days than that are a warning (C(secret.kept)), V(0) to V(36500). V(0) switches it off.
    type: int
    default: 30
  state_directory:
    description: Folder of the record, the copies and of the lock that keeps such runs apart on a host. It is created with mode 0700.
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
  - A key with which stored data are encrypted must not be rotated like this; nobody could read the data any more.
  - Services read the file when they start, so restart them, and call O(state=confirmed) when they are well, or O(state=previous).
seealso:
  - module: upkeep.runbook.env_file
  - module: upkeep.runbook.account_containment
"""

EXAMPLES = r"""
- name: Give two services that share a secret a new one
  upkeep.runbook.secret_rotate:
    rotation_id: INC-42
    secrets:
      - places:
          - {path: /opt/neurosensefx/.env, key: JWT_SECRET}
          - {path: /opt/neurosensefx/services/tick-backend/.env, key: TOKEN_SECRET}
      - encoding: hex
        bytes: 32
        places:
          - {path: /opt/neurosensefx/.env, key: SESSION_SECRET}

- name: The services run with it
  upkeep.runbook.secret_rotate:
    rotation_id: INC-42
    state: confirmed

- name: Forget the old values
  upkeep.runbook.secret_rotate:
    rotation_id: INC-42
    state: released
"""

RETURN = r"""
rotated:
  description: Files with C(path) and C(keys) that got new values, or would.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /opt/neurosensefx/.env
      keys: [JWT_SECRET, SESSION_SECRET]
repaired:
  description: The same of what a killed run had left unfinished, and was put back first.
  returned: success
  type: list
  elements: dict
put_back:
  description: The same of what has its old value again.
  returned: success
  type: list
  elements: dict
left:
  description: The same of what was not put back since somebody has changed it.
  returned: success
  type: list
  elements: dict
forgotten:
  description: The same of what cannot be put back any more from now on.
  returned: success
  type: list
  elements: dict
unconfirmed:
  description: The same of what was rotated, while nobody has said that the services run with it.
  returned: success
  type: list
  elements: dict
secrets:
  description: One for each key that has a new value.
  returned: success
  type: list
  elements: dict
  contains:
    rotation_id:
      description: Under which id.
      type: str
    path:
      description: The file.
      type: str
    key:
      description: The key.
      type: str
    since:
      description: Since when, UTC.
      type: str
    value:
      description: Which value it has now, V(new), V(old), V(other) or V(unknown).
      type: str
    confirmed:
      description: Whether somebody has said that the services run with it.
      type: bool
    kept:
      description: Whether the old value is kept.
      type: bool
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(secret.rotation) for each file. Critical when a key has its old value again, or a run was killed; a warning when somebody has changed
      a key since, when its old value stands elsewhere in the file, and until it is confirmed; unknown when nobody can tell.
    - C(secret.kept) for each rotation whose old values are kept for longer than O(release_days), a warning.
  returned: success
  type: list
  elements: dict
  sample:
    - check: secret.rotation
      subject: /opt/neurosensefx/.env
      status: ok
      summary: "/opt/neurosensefx/.env: JWT_SECRET was rotated at 2026-11-22T05:00:00Z (INC-42), its old value is kept for root."
      value: 1
      unit: count
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.rotating import rotate_secrets
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    # no_log is said since the names alone would warn: these are names of keys and no secrets.
    place = {"path": {"type": "path", "required": True}, "key": {"type": "str", "required": True, "no_log": False}}
    secret = {
        "places": {"type": "list", "elements": "dict", "options": place, "required": True},
        "encoding": {"type": "str", "choices": ["base64url", "hex", "alphanumeric"], "default": "base64url"},
        "bytes": {"type": "int", "default": 48},
        "characters": {"type": "int", "default": 64},
    }
    return {
        "state": {"type": "str", "choices": ["present", "confirmed", "previous", "released", "query"], "default": "present"},
        "rotation_id": {"type": "str", "default": ""},
        "secrets": {"type": "list", "elements": "dict", "options": secret, "default": [], "no_log": False},
        "only_unconfirmed": {"type": "bool", "default": False},
        "release_days": {"type": "int", "default": 30},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = rotate_secrets(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
