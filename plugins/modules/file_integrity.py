#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare files with a baseline that was accepted with a reason, or accept what is there as a new one."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_integrity
version_added: 0.1.0
short_description: Compare files with a baseline that was accepted with a reason, or accept the present state as a new one
description:
  - Compares everything below O(paths) with a baseline, which holds the SHA-256, size, mode, owner, group, type and target of each path,
    and says what was added, removed and changed.
  - With O(state=checked), the default, nothing is written. A baseline comes to be with O(state=accepted) and a reason only.
  - No link is followed; where it leads is recorded. Files are read relative to the open folder that they are in, so that nobody can
    have another one read by exchanging a folder for a link.
  - A path that could not be read, a wildcard that matches nothing and a baseline that is not there yet are V(unknown).
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
  paths:
    description:
      - Absolute paths of files and folders, with wildcards (C(*), C(?), C([…])) if wanted. They fit names that begin with a dot too.
      - Folders are watched with all that is in them, up to 256 folders deep.
    type: list
    elements: str
    required: true
  exclude:
    description:
      - Patterns of what is left out. One without a slash is a name at any depth; one with a slash is a path below one of O(paths), or an
        absolute path. An asterisk fits a slash too.
      - What O(paths) names itself is watched in any case.
    type: list
    elements: str
    default: []
  one_file_system:
    description: Whether other file systems below a folder of O(paths) are left out.
    type: bool
    default: true
  capabilities:
    description: Whether the capabilities of executable files (C(security.capability)) are compared.
    type: bool
    default: true
  state:
    description:
      - V(checked) compares and changes nothing.
      - V(accepted) compares, then makes what is there the new baseline. Where nothing differs, the baseline stays as it is.
    type: str
    choices: [checked, accepted]
    default: checked
  reason:
    description: Why the present state is accepted. It is kept in the baseline. Required with O(state=accepted).
    type: str
  only_if_clean:
    description:
      - Refuse O(state=accepted) when something differs that no package explains, could not be looked at, or is wrong with the
        baseline that is to be replaced, also when there is none. For the baseline after an update of packages.
    type: bool
    default: false
  expected_digest:
    description:
      - The RV(baseline.digest) of the baseline as it was accepted, kept where nobody on this host can write, such as on the report host.
      - Another one, or none at all, is critical. Who becomes root can write a new baseline; the digest tells.
    type: str
  name:
    description: Name of the baseline. Several of them may watch different paths of a host.
    type: str
    default: default
  explain_packages:
    description:
      - Whether changed and new files are counted apart that are byte for byte what a package of Debian brought since the baseline was
        accepted. Changed modes, owners, targets of links, and new files that run with the rights of others are never explained.
    type: bool
    default: true
  trust_stat:
    description:
      - Take a file for unchanged, without reading it, when its inode, size, mode, owner and both times are those of the baseline, to the
        nanosecond. Much quicker. Who is root can forge the times by way of the clock or the disk, so that it proves less.
      - C(trusted) in RV(totals) says how many files were not read.
    type: bool
    default: false
  severity:
    description:
      - How bad a difference is that nothing explains. A file that runs with the rights of others is critical in any case.
    type: str
    choices: [warning, critical]
    default: critical
  baseline_warning_days:
    description: A baseline that is so old is a warning, in days, V(0) to V(36500). V(0) switches the threshold off.
    type: float
    default: 0.0
  max_file_bytes:
    description:
      - A larger file is not read, and V(unknown); V(1024) or more bytes. One that is nothing but a hole costs its owner no room.
    type: int
    default: 68719476736
  workers:
    description: How many files are read at a time, V(1) to V(8).
    type: int
    default: 2
  state_directory:
    description: Folder of the baselines (C(integrity/<name>.baseline)) and of the lock of the host. It is created with mode C(0700).
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long O(state=accepted) waits for another acting run on the host, V(0) to V(86400), in seconds.
    type: float
    default: 0.0
  run_id:
    description: The id of this run, which a second run is told meanwhile.
    type: str
notes:
  - Access control lists, other extended attributes and the times of files are not compared.
  - Files on a network file system that does not answer hold the call up.
seealso:
  - module: upkeep.runbook.access_review
  - module: upkeep.runbook.ioc_scan
"""

EXAMPLES = r"""
- name: Compare the application and the system's programs with what was accepted
  upkeep.runbook.file_integrity:
    paths: [/opt/neurosensefx, /etc, /usr/bin, /usr/sbin]
    exclude: [node_modules/.cache, "*.log", /etc/mtab]
    expected_digest: "{{ integrity_digest }}"

- name: Accept a release
  upkeep.runbook.file_integrity:
    paths: [/opt/neurosensefx]
    state: accepted
    reason: Release 2.4.1, change 1234
  register: accepted

- name: Accept what an update of packages changed, and nothing else
  upkeep.runbook.file_integrity:
    paths: [/usr/bin, /usr/sbin]
    name: programs
    state: accepted
    reason: Security updates of November
    only_if_clean: true
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: critical
checks:
  description:
    - C(integrity.files) for each path that differs or could not be read (100 of each, then one row for the others) and one row for those
      that are as they were accepted; C(integrity.baseline) for the baseline, its age and digest; C(integrity.coverage) for what was to
      be watched and is not.
  type: list
  elements: dict
  returned: success
  sample:
    - check: integrity.files
      subject: /opt/neurosensefx/server.js
      status: critical
      summary: "/opt/neurosensefx/server.js was changed: size 4.1 KiB → 4.3 KiB, sha256 0c5d61e2b0a1… → 9f2bb8c1d07e…."
      value: changed
      unit: null
      warning: null
      critical: null
baseline:
  description: The baseline that was compared with, or was accepted now; null when there is none that is whole.
  type: dict
  returned: success
  contains:
    path:
      description: The file.
      type: str
    digest:
      description: SHA-256 of the file, to be kept elsewhere; null in check mode for one that would be written.
      type: str
    accepted:
      description: When it was accepted, UTC.
      type: str
    reason:
      description: Why.
      type: str
    entries:
      description: How many paths it holds.
      type: int
    age_days:
      description: How old it is, in days.
      type: float
changes:
  description: What differs from the baseline; at most 1000, with O(return_all) at most 20000. Nothing for a first baseline.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path.
      type: str
    change:
      description: V(added), V(removed) or V(changed).
      type: str
    before:
      description: What the baseline holds, C(type), C(mode), C(owner), C(group), C(size), C(sha256), C(capabilities) and C(target), or null.
      type: dict
    after:
      description: The same of what is there, or null.
      type: dict
    explained_by:
      description: The package that brought the file, or null.
      type: str
totals:
  description:
    - Exact counts. C(entries) that are there, files C(hashed) and C(hashed_bytes), C(trusted) files that were not read, paths that are
      C(unchanged), C(added), C(removed), C(changed), C(explained), C(unreadable) and C(unwatched), and C(other_file_systems) that were
      left out.
  type: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.inspecting import watch_files
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "paths": {"type": "list", "elements": "str", "required": True},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "one_file_system": {"type": "bool", "default": True},
        "capabilities": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": ["checked", "accepted"], "default": "checked"},
        "reason": {"type": "str"},
        "only_if_clean": {"type": "bool", "default": False},
        "expected_digest": {"type": "str"},
        "name": {"type": "str", "default": "default"},
        "explain_packages": {"type": "bool", "default": True},
        "trust_stat": {"type": "bool", "default": False},
        "severity": {"type": "str", "choices": ["warning", "critical"], "default": "critical"},
        "baseline_warning_days": {"type": "float", "default": 0.0},
        "max_file_bytes": {"type": "int", "default": 68719476736},
        "workers": {"type": "int", "default": 2},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = watch_files(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
