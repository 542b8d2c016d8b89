#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare how a host is configured with rules of security."""

from __future__ import annotations

DOCUMENTATION = r"""
module: security_configuration
version_added: 0.1.0
short_description: Compare how a host is configured with rules of security
description:
  - Asks sshd, nginx, sudo, the kernel, apt and servers how they are really configured, and compares it with rules. The page
    C(docs/security_configuration.md) lists every rule with its reason.
  - What is not installed has no rows. What could not be looked at is V(unknown), with the reason.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  parts:
    description: What to look at.
    type: list
    elements: str
    choices: [ssh]
    default: [ssh]
  rules:
    description: Rules that are meant otherwise on this platform.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The id of the rule, such as V(ssh.x11_forwarding).
        type: str
        required: true
      severity:
        description: How bad it is. V(off) switches the rule off.
        type: str
        choices: ["off", warning, critical]
      accept:
        description: Values that are accepted instead of those of the rule; of algorithms, those that are not called weak.
        type: list
        elements: str
      limit:
        description: The number instead of that of the rule.
        type: int
  ignore:
    description:
      - Findings that somebody decided to live with. They stay in the result, marked as suppressed, and do not count.
      - One that has expired or is not used is a warning.
    type: list
    elements: dict
    default: []
    suboptions:
      rule:
        description: The id of the rule, or that of a test of lynis behind C(lynis.), such as V(lynis.AUTH-9282).
        type: str
        required: true
      subject:
        description: The subject of the check, wildcards allowed. By default every one.
        type: str
      reason:
        description: Why it is no danger here.
        type: str
        required: true
      expires:
        description: Until when, a day such as V(2027-01-31) or a time with its zone.
        type: str
        required: true
  timeout_seconds:
    description: How long each program and server may take, V(0.1) to V(3600), in seconds.
    type: float
    default: 30.0
seealso:
  - module: upkeep.runbook.access_review
  - module: upkeep.runbook.cert_expiry
"""

EXAMPLES = r"""
- name: Compare the configuration of sshd with the rules
  upkeep.runbook.security_configuration:
    parts: [ssh]
    rules:
      - {id: ssh.max_auth_tries, limit: 3}
    ignore:
      - rule: ssh.password_authentication
        reason: The partner has no keys yet
        expires: "2027-03-31"
"""

RETURN = r"""
status:
  description: The worst status of the checks that count, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: warning
checks:
  description:
    - C(configuration.ssh) for each setting of sshd; C(configuration.ignore) for each entry of O(ignore).
  type: list
  elements: dict
  returned: success
  sample:
    - check: configuration.ssh
      subject: PermitRootLogin
      status: critical
      summary: "PermitRootLogin is yes: one guessed password gives all rights, and nobody knows whose hand it was."
      value: "yes"
      unit: null
      warning: null
      critical: null
      hint: "Set PermitRootLogin no in /etc/ssh/sshd_config.d, then: sshd -t && systemctl reload ssh"
findings:
  description: What is not as it should be, or everything with O(return_all), each with C(rule), C(subject), C(status) and C(summary); at most 1000.
  type: list
  elements: dict
  returned: success
parts:
  description: Figures of each part by its name, such as whether its program is C(installed).
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.inspection import inspect_configuration
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

PARTS = ["ssh"]


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    rule = {
        "id": {"type": "str", "required": True},
        "severity": {"type": "str", "choices": ["off", "warning", "critical"]},
        "accept": {"type": "list", "elements": "str"},
        "limit": {"type": "int"},
    }
    ignore = {
        "rule": {"type": "str", "required": True},
        "subject": {"type": "str"},
        "reason": {"type": "str", "required": True},
        "expires": {"type": "str", "required": True},
    }
    return {
        "parts": {"type": "list", "elements": "str", "choices": PARTS, "default": PARTS},
        "rules": {"type": "list", "elements": "dict", "options": rule, "default": []},
        "ignore": {"type": "list", "elements": "dict", "options": ignore, "default": []},
        "timeout_seconds": {"type": "float", "default": 30.0},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_configuration(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
