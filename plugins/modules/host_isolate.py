#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Isolate a host, with a way back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_isolate
version_added: 0.1.0
short_description: Cut a host off from the network, and keep the way back open
description:
  - Drops every packet to, from and through the host, but for the operator's own way in. IPv4 and IPv6, connections from before
    included. Everything is in one nftables table of its own, C(inet upkeep_isolation), which is loaded in one transaction.
    Other rules are never touched, so O(state=absent) brings back exactly what was there.
  - The way back is found, not asked for. It is the connection of the ssh server that started this run; from its address anybody
    may come in at its port again. O(management) adds networks. Where there is neither, the call is refused.
  - Before the rules are loaded, a timer of systemd is armed that deletes them after O(revert_seconds). Whoever comes back in over
    a new connection and calls O(state=confirmed) stops it. A run that is killed at any moment, a controller that dies, or an
    operator who is locked out all end with the host as it was.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - The rules are shown, and judged by C(nft -c). What would be refused is refused.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A host that is isolated by the same rules stays as it is, and its timer too.
options:
  state:
    description:
      - V(present) isolates the host until the timer gives it back.
      - V(confirmed) stops the timer. The host stays isolated until it is given back or restarted, or, with O(persist), over a
        restart too. It never isolates a host, and is refused where nobody can tell whether the timer is stopped.
      - V(absent) gives the host back, also where systemd does not answer, which is a warning. A timer that comes late finds nothing to
        delete, and stays noted until it is seen to be gone, since it would end the next isolation.
      - V(query) looks and changes nothing.
    type: str
    choices: [present, confirmed, absent, query]
    default: present
  management:
    description:
      - Addresses and networks that may come in at O(management_ports), beside the address from which the run is logged in.
      - Needed where the connection is local. Loopback and addresses of nobody are refused, since nobody comes in from there.
    type: list
    elements: str
    default: []
  management_ports:
    description: TCP ports for O(management), V(1) to V(65535). The port over which the run is logged in is added.
    type: list
    elements: int
    default: [22]
  dns_servers:
    description: Name servers that the host may ask. Names can carry data out; give the servers only if they are needed.
    type: list
    elements: str
    default: []
  time_servers:
    description: Time servers that the host may ask.
    type: list
    elements: str
    default: []
  dhcp:
    description: Whether the host may keep the address that it got by DHCP.
    type: bool
    default: true
  revert_seconds:
    description: After this time the host is given back unless it was confirmed, V(10) to V(86400) seconds.
    type: int
    default: 300
  persist:
    description:
      - With O(state=confirmed), isolate the host over a restart too, with a unit of systemd that loads the rules before the
        network is up. An isolation that is not confirmed always ends with a restart.
    type: bool
    default: false
  flush_connections:
    description:
      - Let the kernel forget the connections that it tracks, with C(conntrack), when that is installed. The rules hold without it.
      - Where the operator's own connection is translated on this host, it would be cut.
    type: bool
    default: false
  reason:
    description: Why, for people; at most 200 characters.
    type: str
    default: ""
  state_directory:
    description: Folder of the record and of the lock that keeps such runs apart on a host. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  unit_directory:
    description: Folder of the unit that O(persist) makes.
    type: path
    default: /etc/systemd/system
  lock_wait_seconds:
    description: How long to wait for another run that contains this host, V(0) to V(86400) seconds. Other procedures are not waited for.
    type: float
    default: 30.0
  run_id:
    description: Id of the run, which is noted.
    type: str
notes:
  - Programs that write packets past the firewall (raw sockets, such as DHCP clients) and what is bridged without nftables are not
    stopped, nor is somebody who is root on the host and deletes the rules; O(state=query) then says that they are gone.
  - Rules of the host that already keep the operator out are not opened.
  - Connections that the kernel hands on past all rules (flowtables of a router) go on until they end.
requirements:
  - nftables 1.0 or newer and systemd on the host. Without nftables O(state=query) is V(unknown).
seealso:
  - module: upkeep.runbook.ip_block
"""

EXAMPLES = r"""
- name: Isolate the host; nobody but us may come in
  upkeep.runbook.host_isolate:
    management: [198.51.100.0/24]
    reason: INC-42
    revert_seconds: 600

- name: Come back in over a new connection
  ansible.builtin.meta: reset_connection

- name: The way back works, so stop the timer
  upkeep.runbook.host_isolate:
    state: confirmed
    persist: true

- name: Give the host back
  upkeep.runbook.host_isolate:
    state: absent
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(isolation.state). For O(state=query) an isolated host is a warning; critical is one that should be isolated and is not, or whose
      rules are not those that were loaded.
    - C(isolation.timer) says when the host is given back, and is critical when nothing does that, or when a timer would end an isolation
      that was confirmed. It is unknown where systemd does not say whether a timer runs.
  returned: success
  type: list
  elements: dict
  sample:
    - check: isolation.timer
      subject: upkeep_isolation
      status: ok
      summary: Unless it is confirmed, the host is given back at 2026-11-22T01:53:56Z.
      value: null
      unit: null
      warning: null
      critical: null
isolation:
  description: What there is after the call; in check mode, before it.
  returned: success
  type: dict
  contains:
    isolated:
      description: Whether our rules are in the kernel.
      type: bool
    confirmed:
      description: Whether somebody came back and stopped the timer.
      type: bool
    since:
      description: Since when, UTC; null when there is no record.
      type: str
    reason:
      description: Why.
      type: str
    run_id:
      description: The run that isolated it.
      type: str
    reverts_at:
      description: When the timer gives the host back, UTC; null when there is none.
      type: str
    timers:
      description: The timers that run; null when nobody can tell.
      type: list
      elements: str
    persistent:
      description: Whether it would be isolated after a restart.
      type: bool
connections_flushed:
  description: Whether the kernel forgot the connections that it tracked.
  returned: when acting
  type: bool
ruleset:
  description: The transaction; empty when nothing changes in the kernel.
  returned: when acting
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolating import isolate_host
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "state": {"type": "str", "choices": ["present", "confirmed", "absent", "query"], "default": "present"},
        "management": {"type": "list", "elements": "str", "default": []},
        "management_ports": {"type": "list", "elements": "int", "default": [22]},
        "dns_servers": {"type": "list", "elements": "str", "default": []},
        "time_servers": {"type": "list", "elements": "str", "default": []},
        "dhcp": {"type": "bool", "default": True},
        "revert_seconds": {"type": "int", "default": 300},
        "persist": {"type": "bool", "default": False},
        "flush_connections": {"type": "bool", "default": False},
        "reason": {"type": "str", "default": ""},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "unit_directory": {"type": "path", "default": "/etc/systemd/system"},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = isolate_host(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
