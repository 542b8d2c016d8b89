#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare who listens on a host with what was accepted and what the platform expects."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_baseline
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
short_description: Compare who listens on a host with what was accepted and what the platform expects
description:
  - Looks at every TCP and UDP socket that listens, IPv4 and IPv6, with the program, user and service behind it. Nothing is sent to any.
  - Compares them with a baseline that somebody accepted with a reason, and with O(expected). New, gone and changed listeners are told; a
    change of the program, its user, or the address counts.
  - With O(accept) what is there becomes the baseline. Only then does the module change anything.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - With O(accept) the listeners before and after are shown.
  idempotent:
    support: full
options:
  expected:
    description:
      - Listeners of the platform. One that is missing, or held by somebody else, is critical. They need not be in the baseline.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port, V(1) to V(65535).
        type: int
        required: true
      protocol:
        description: V(tcp) or V(udp).
        type: str
        choices: [tcp, udp]
        default: tcp
      address:
        description: The address it is bound to. By default any.
        type: str
      process:
        description: Pattern of the program, its path, or the program and script of an interpreter, such as V(node server.js).
        type: str
      unit:
        description: Service of systemd that holds it.
        type: str
      user:
        description: User that holds it.
        type: str
  accept:
    description: Make what is there now the baseline. One that is the same already stays as it is.
    type: bool
    default: false
  reason:
    description: Why it is accepted. It must be given with O(accept).
    type: str
  expected_digest:
    description:
      - RV(digest) of the baseline as it was when it was accepted, kept on another host. Another baseline is critical, and nothing is
        accepted over it, since root of this host can write the file.
    type: str
  protocols:
    description: What to look at.
    type: list
    elements: str
    choices: [tcp, udp]
    default: [tcp, udp]
  ephemeral_udp:
    description:
      - Look at UDP sockets as well whose ports the kernel chose (C(net.ipv4.ip_local_port_range)). Clients hold these for moments, while
        they wait for an answer.
    type: bool
    default: false
  state_directory:
    description: Folder of C(port-baseline.json), which is created with mode 0700 when something is accepted.
    type: path
    default: /var/lib/upkeep
  run_id:
    description: The id of the run that calls, for who waits for the lock.
    type: str
seealso:
  - module: upkeep.runbook.process_audit
  - module: upkeep.runbook.health_probe
"""

EXAMPLES = r"""
- name: Look at who listens
  upkeep.runbook.port_baseline:
    expected:
      - {port: 8081, unit: tick-backend.service, user: neurosense}
      - {port: 443, process: nginx}
    expected_digest: "{{ accepted_ports_digest | default(omit) }}"

- name: Accept what is there
  upkeep.runbook.port_baseline:
    accept: true
    reason: The metrics exporter was installed on 2026-11-20
  register: accepted
"""

RETURN = r"""
listeners:
  description: Who listens, at most 500, each with C(protocol), C(address), C(port) and its C(owners).
  returned: always
  type: list
  elements: dict
  sample:
    - protocol: tcp
      address: 0.0.0.0
      port: 8081
      owners:
        - {executable: /usr/bin/node, process: node server.js, user: neurosense, unit: tick-backend.service}
all_addresses:
  description: The listeners among these that are bound to all addresses.
  returned: always
  type: list
  elements: str
differences:
  description: The listeners that are C(new), C(gone) and C(changed) since the baseline was accepted; empty without a baseline.
  returned: always
  type: dict
baseline:
  description: When and why it was C(accepted) (C(reason)), and how many C(listeners) it holds; null when there is none.
  returned: always
  type: dict
digest:
  description: SHA-256 of the baseline, to be kept on another host for O(expected_digest). In check mode that of a baseline that was not written.
  returned: always
  type: str
totals:
  description: How many C(listeners) there are, C(ephemeral) UDP sockets that were left out, and listeners C(without_owner) that may be known.
  returned: always
  type: dict
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(port.baseline) for the baseline itself, C(port.unexpected) for listeners that are new or held by somebody else than expected,
      C(port.missing) for those that are gone, and C(port.changed) for those with another owner or address.
  returned: always
  type: list
  elements: dict
  sample:
    - check: port.unexpected
      subject: tcp 0.0.0.0:4444
      status: critical
      summary: "tcp 0.0.0.0:4444 is new: ncat of www-data listens there, on all addresses."
      value: null
      unit: null
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.inspection import inspect_ports
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    expected = {
        "port": {"type": "int", "required": True},
        "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "address": {"type": "str"},
        "process": {"type": "str"},
        "unit": {"type": "str"},
        "user": {"type": "str"},
    }
    return {
        "expected": {"type": "list", "elements": "dict", "options": expected, "default": []},
        "accept": {"type": "bool", "default": False},
        "reason": {"type": "str"},
        "expected_digest": {"type": "str"},
        "protocols": {"type": "list", "elements": "str", "choices": ["tcp", "udp"], "default": ["tcp", "udp"]},
        "ephemeral_udp": {"type": "bool", "default": False},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_ports(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
