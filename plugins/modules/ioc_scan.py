#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look on a host for what was found on another one that was broken into."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ioc_scan
version_added: 0.1.0
short_description: Look on a host for indicators of compromise, such as checksums, paths, addresses, domains, users and schedules
description:
  - Looks for what was found on a host that was broken into. Run over the inventory, it says where else the same is.
  - Nothing is changed. A source that could not be read to its end is V(unknown), so that V(ok) means that everything was looked at.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  indicators:
    description: What is looked for, at most 10000.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - V(sha256) is the checksum of a file below O(hash_paths).
          - V(path) is an absolute path that exists, with wildcards if wanted.
          - V(address) is an IPv4 or IPv6 address to which there is a connection now, or that is in O(logs).
          - V(domain) is a name in O(logs), with names below it.
          - V(user) is an account in C(/etc/passwd).
          - V(schedule) is a text, in small or capital letters, in a file of cron or at, or a unit of systemd that the administrator or an
            account made.
        type: str
        choices: [sha256, path, address, domain, user, schedule]
        required: true
      value:
        description: The indicator itself.
        type: str
        required: true
  hash_paths:
    description: Absolute paths of files and folders, or wildcards. Every regular file there is read for V(sha256).
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of what is left out below O(hash_paths), as for M(upkeep.runbook.file_integrity).
    type: list
    elements: str
    default: []
  one_file_system:
    description: Whether other file systems below a folder of O(hash_paths) are left out.
    type: bool
    default: true
  logs:
    description: Absolute paths of logs, or wildcards, plain or packed with gzip, xz, bzip2 or zstd, for V(address) and V(domain).
    type: list
    elements: str
    default: []
  max_log_bytes:
    description: So much of each log is looked at, unpacked, V(1024) or more bytes. A longer one is V(unknown).
    type: int
    default: 1073741824
  max_file_bytes:
    description: A larger file below O(hash_paths) is not read, and V(unknown); V(1024) or more bytes.
    type: int
    default: 68719476736
  workers:
    description: How many files are read at a time, V(1) to V(8).
    type: int
    default: 2
notes:
  - Connections are those of the network namespace of the host itself, not of containers.
seealso:
  - module: upkeep.runbook.file_integrity
  - module: upkeep.runbook.access_review
"""

EXAMPLES = r"""
- name: Look whether the same was done to other hosts
  upkeep.runbook.ioc_scan:
    indicators:
      - {type: sha256, value: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
      - {type: path, value: /tmp/.X11-unix/.rsync/*}
      - {type: address, value: 203.0.113.7}
      - {type: domain, value: evil.example.com}
      - {type: user, value: systemd-helper}
      - {type: schedule, value: curl -s http}
    hash_paths: [/tmp, /var/tmp, /dev/shm, /opt, /usr/local]
    logs: [/var/log/nginx/*.log*]
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(unknown) or V(critical).
  type: str
  returned: success
  sample: ok
checks:
  description:
    - C(ioc.found) for each indicator, critical when it was found. C(ioc.scanned) for each source, unknown when it could not be read.
  type: list
  elements: dict
  returned: success
  sample:
    - check: ioc.found
      subject: path /tmp/.X11-unix/.rsync/*
      status: critical
      summary: "path /tmp/.X11-unix/.rsync/* was found 2 times, such as: /tmp/.X11-unix/.rsync/a."
      value: 2
      unit: count
      warning: null
      critical: null
found:
  description: The indicators that were found, each with C(type), C(value), C(count) and up to 20 C(places).
  type: list
  elements: dict
  returned: success
totals:
  description: How many C(indicators) were looked for and C(found), how many places were C(unread), and how much of each source was seen.
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.sweeping import sweep_host


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    indicator = {
        "type": {"type": "str", "choices": ["sha256", "path", "address", "domain", "user", "schedule"], "required": True},
        "value": {"type": "str", "required": True},
    }
    return {
        "indicators": {"type": "list", "elements": "dict", "options": indicator, "required": True},
        "hash_paths": {"type": "list", "elements": "str", "default": []},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "one_file_system": {"type": "bool", "default": True},
        "logs": {"type": "list", "elements": "str", "default": []},
        "max_log_bytes": {"type": "int", "default": 1073741824},
        "max_file_bytes": {"type": "int", "default": 68719476736},
        "workers": {"type": "int", "default": 2},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = sweep_host(module.params)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
