#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Try to log in to another host over ssh, to see whether that is possible."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_login
version_added: 0.1.0
short_description: Try to log in to another host over ssh, to see whether that is possible
description:
  - Runs the ssh client with one key, or with nothing at all, and says what came of it. It never has a password, and asks nobody.
  - Settings, keys, agents and kept connections of the host on which it runs are not used. So what counts is what the server thinks now.
  - A login runs C(true) and ends.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: none
    details:
      - A failed login may get this host banned, so that none is made in check mode.
  diff_mode:
    support: N/A
    details:
      - The module changes nothing.
  idempotent:
    support: full
options:
  host:
    description: Name or address of the other host.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    default: 22
  user:
    description: As whom to log in.
    type: str
    required: true
  key:
    description: File with a private key without a passphrase. Without one only the wish to log in is told, which a server refuses.
    type: path
  attempts:
    description: Try until the server has let in or refused so many times, V(1) to V(100).
    type: int
    default: 1
  timeout_seconds:
    description: How long one login may take, V(1) to V(300) seconds.
    type: float
    default: 30.0
  most_seconds:
    description:
      - How long to try in all, V(1) to V(3600) seconds. A server that is there and does not come to a decision, as one that shuts out
        somebody for a while by itself (C(PerSourcePenalties)), is tried again until then.
    type: float
    default: 60.0
notes:
  - The other host's key is not looked at. Nothing that is secret goes over the connection, but somebody in between could answer instead.
seealso:
  - module: upkeep.runbook.trial_key
"""

EXAMPLES = r"""
- name: See whether a key still opens an account
  upkeep.runbook.ssh_login:
    host: app-1.example.com
    user: deploy
    key: /etc/keys/old_key
  register: login
  failed_when: login.granted > 0
"""

RETURN = r"""
granted:
  description: How many logins succeeded.
  returned: success
  type: int
denied:
  description: How many the server refused, as it refuses a wrong key or an unknown user.
  returned: success
  type: int
dropped:
  description: How many came to nothing although something takes connections.
  returned: success
  type: int
closed:
  description: Whether nothing took the connection in the end, V(1) or V(0). It is not tried any more then.
  returned: success
  type: int
said:
  description: The last words of the client.
  returned: success
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.ssh_logins import try_logins


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 22},
        "user": {"type": "str", "required": True},
        "key": {"type": "path", "no_log": False},
        "attempts": {"type": "int", "default": 1},
        "timeout_seconds": {"type": "float", "default": 30.0},
        "most_seconds": {"type": "float", "default": 60.0},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=False)
    try:
        result = try_logins(module.params)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
