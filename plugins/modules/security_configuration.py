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
  - Asks sshd, apt, servers that speak TLS, nginx and the kernel how they are really configured, looks at the rights of files with secrets and
    at sudoers, and compares all of it with rules. The page C(docs/security_configuration.md) lists every rule with its reason.
  - What is not installed has no rows. What could not be looked at is V(unknown), with the reason.
  - Reads and asks, nothing else. C(nginx -T) makes log files that nginx would make when it starts. With O(lynis_run) lynis writes its
    report and its log.
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
    choices: [ssh, updates, secrets, tls, nginx, sudoers, kernel, lynis]
    default: [ssh, updates, secrets, tls, nginx, sudoers, kernel, lynis]
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
  secrets:
    description: Files that hold secrets, beside those of O(secrets_usual). Their modes and owners are looked at; none is opened.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path, wildcards allowed. A link is followed. One that matches nothing is V(unknown).
        type: str
        required: true
      owner:
        description: Who may own it beside root. By default anybody.
        type: str
      group:
        description: The group whose members may read it. By default none but that of the owner alone.
        type: str
      optional:
        description: That there is none is no trouble.
        type: bool
        default: false
  secrets_usual:
    description:
      - Look at what every host may have as well, C(/etc/shadow), the keys of sshd, C(/etc/ssl/private), the keys of certbot, and the keys and
        passwords of root.
    type: bool
    default: true
  secrets_exclude:
    description: Names of files that hold no secrets, wildcards allowed.
    type: list
    elements: str
    default: ["*.example", "*.sample", "*.template", "*.dist"]
  endpoints:
    description: Servers that speak TLS, as in O(upkeep.runbook.cert_expiry#module:endpoints). With none the part C(tls) has no rows.
    type: list
    elements: raw
    default: []
  endpoint_timeout_seconds:
    description: How long each connection to a server may take, V(0.1) to V(300), in seconds. A server is asked some ten times.
    type: float
    default: 5.0
  concurrency:
    description: How many servers are asked at a time, V(1) to V(256).
    type: int
    default: 16
  nginx_headers:
    description: The headers of security that the servers of nginx must send. C(x-frame-options) may be a policy with C(frame-ancestors) instead.
    type: list
    elements: str
    choices: [strict-transport-security, x-content-type-options, x-frame-options]
    default: [strict-transport-security, x-content-type-options, x-frame-options]
  nginx_limited:
    description: Paths of requests, such as V(/api/login), for which C(limit_req) must hold in every server.
    type: list
    elements: str
    default: []
  updates_max_age_hours:
    description: Lists of security updates that are older are V(unknown), V(1) to V(87600), in hours.
    type: float
    default: 168.0
  updates_unattended:
    description: Whether security updates must install themselves. Otherwise it is only told.
    type: bool
    default: false
  lynis_run:
    description: Run lynis, where it is installed, before its report is read; not in check mode. It takes minutes.
    type: bool
    default: false
  lynis_timeout_seconds:
    description: How long lynis may run, V(1) to V(36000), in seconds.
    type: float
    default: 900.0
  lynis_warning_index:
    description: An index of lynis below it is a warning, V(0) to V(100). V(0) asks for none.
    type: float
    default: 0.0
  lynis_max_age_days:
    description: A report of lynis that is older is a warning, V(0) to V(36500), in days. V(0) asks for none.
    type: float
    default: 35.0
  timeout_seconds:
    description: How long each program may take, V(0.1) to V(3600), in seconds.
    type: float
    default: 120.0
seealso:
  - module: upkeep.runbook.access_review
  - module: upkeep.runbook.cert_expiry
"""

EXAMPLES = r"""
- name: Compare the configuration of the host with the rules
  upkeep.runbook.security_configuration:
    secrets:
      - {path: /opt/neurosensefx/.env, owner: neurosense}
    endpoints: ["www.example.com:443"]
    nginx_limited: [/api/login]
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
    - C(configuration.ssh), C(configuration.updates), C(configuration.secrets), C(configuration.tls), C(configuration.nginx),
      C(configuration.sudoers), C(configuration.kernel) and C(configuration.lynis) for each subject; C(configuration.ignore) for each entry of
      O(ignore).
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
  description:
    - Figures of each part by its name. Whether its program is C(installed); the C(updates) that wait, with versions; what each of the
      C(endpoints) takes; C(index), C(warnings) and C(suggestions) of lynis.
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.inspection import inspect_configuration
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

PARTS = ["ssh", "updates", "secrets", "tls", "nginx", "sudoers", "kernel", "lynis"]
HEADERS = ["strict-transport-security", "x-content-type-options", "x-frame-options"]


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
    secret = {
        "path": {"type": "str", "required": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "optional": {"type": "bool", "default": False},
    }
    return {
        "parts": {"type": "list", "elements": "str", "choices": PARTS, "default": PARTS},
        "rules": {"type": "list", "elements": "dict", "options": rule, "default": []},
        "ignore": {"type": "list", "elements": "dict", "options": ignore, "default": []},
        # no_log is said since the name alone would warn: these are paths and names.
        "secrets": {"type": "list", "elements": "dict", "options": secret, "default": [], "no_log": False},
        "secrets_usual": {"type": "bool", "default": True, "no_log": False},
        "secrets_exclude": {"type": "list", "elements": "str", "default": ["*.example", "*.sample", "*.template", "*.dist"], "no_log": False},
        "endpoints": {"type": "list", "elements": "raw", "default": []},
        "endpoint_timeout_seconds": {"type": "float", "default": 5.0},
        "concurrency": {"type": "int", "default": 16},
        "nginx_headers": {"type": "list", "elements": "str", "choices": HEADERS, "default": HEADERS},
        "nginx_limited": {"type": "list", "elements": "str", "default": []},
        "updates_max_age_hours": {"type": "float", "default": 168.0},
        "updates_unattended": {"type": "bool", "default": False},
        "lynis_run": {"type": "bool", "default": False},
        "lynis_timeout_seconds": {"type": "float", "default": 900.0},
        "lynis_warning_index": {"type": "float", "default": 0.0},
        "lynis_max_age_days": {"type": "float", "default": 35.0},
        "timeout_seconds": {"type": "float", "default": 120.0},
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
