#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verify the newest snapshots of restic."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restic_verify
version_added: 0.1.0
short_description: Say whether the newest snapshots of restic are young, large enough and whole
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Looks at the newest snapshots of one label of one host, at their age, their size and their size beside those before them, and lets
    restic check the repository that they are in. The checks are those of M(upkeep.runbook.backup_verify).
  - A snapshot that restic saved while a backup failed, or whose end a killed run has not seen, does not count.
  - A repository that cannot be opened, because of a wrong password, a lock or a network, is V(unknown) with the reason. One that is
    not there is critical.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
  - upkeep.runbook.drill
  - upkeep.runbook.restic
attributes:
  check_mode:
    support: full
    details:
      - The checks are the same. No lock is left in the repository and no cache on the host, and nothing is remembered.
  diff_mode:
    support: N/A
    details:
      - The module changes nothing.
  idempotent:
    support: full
options:
  level:
    description:
      - How much is looked at. Each level looks at what those before it look at, too.
      - V(exists) reads no contents, only whether there is a snapshot, its age and its sizes.
      - V(readable) lets restic check that all pieces of all snapshots are there (C(restic check)), and lists the snapshot.
      - V(manifest) reads its manifest and compares the dumps with it.
      - V(content) reads every byte in the repository (C(restic check --read-data)).
    type: str
    choices: [exists, readable, manifest, content]
    default: manifest
  read_data_subset:
    description:
      - Read this part of the data at the levels V(readable) and V(manifest), as restic takes it, such as V(10%), V(1/7) or V(5G).
        C(n/t) is the same part each time, the others are another one each time.
    type: str
  drill:
    description:
      - How restores are tried. When one is due, a snapshot is fetched into a private folder (M(upkeep.runbook.restic_fetch)), unpacked with
        all checks of a restore, and its dumps are loaded into scratch databases beside the real ones; all of it is removed again. That
        needs room for three times the contents.
      - Without this nothing is tried, and not in check mode either. When a drill was good is known by O(remember), and without it each call
        tries one.
  max_ratio:
    description:
      - How many times its size the archive of a snapshot may unpack to in a drill, V(1) to V(1000000), as in
        O(upkeep.runbook.backup_verify#module:max_ratio).
    type: float
    default: 1100.0
  newest:
    description: How many of the newest snapshots are looked at, V(1) to V(100). The age is that of the newest.
    type: int
    default: 1
  max_age_hours:
    description: A newest snapshot that is older is critical, in hours. V(0) is no limit.
    type: float
    default: 26.0
  min_bytes:
    description: A snapshot that holds fewer bytes is critical. An empty one always is.
    type: int
    default: 1
  max_shrink_percent:
    description:
      - A newest snapshot that holds less by more than this than the median of up to five before it is a warning, in percent. V(0) is
        no limit.
    type: float
    default: 50.0
  require:
    description:
      - Shell patterns of members that the snapshot must hold; one that no member fits is critical, from the level V(readable) on.
      - The names are those of an archive, C(files/<absolute path>) and C(dumps/<name>). An asterisk fits a slash too.
    type: list
    elements: str
    default: []
  tags:
    description:
      - Tags that a snapshot must have to be looked at. By default those that M(upkeep.runbook.restic_backup) gives to O(label). An empty
        list looks at all snapshots of O(host), whoever made them.
    type: list
    elements: str
  remember:
    description:
      - Keep what was found in C(backups.json) in O(state_directory), for M(upkeep.runbook.restic_forget). Not at the level V(exists).
    type: bool
    default: false
  run_id:
    description: The id of the run that calls, for who waits for the record.
    type: str
seealso:
  - module: upkeep.runbook.backup_verify
  - module: upkeep.runbook.restic_forget
"""

EXAMPLES = r"""
- name: Verify the newest snapshot, and read a tenth of the repository
  upkeep.runbook.restic_verify:
    repository: sftp:backup@storage:/srv/restic/neurosensefx
    password_file: /etc/upkeep/restic-password
    label: neurosensefx-web01
    host: "{{ inventory_hostname }}"
    read_data_subset: 10%
    require: ["files/opt/neurosensefx/package.json", "dumps/postgresql-*"]
    remember: true
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: ok
checks:
  description:
    - C(backup.present), C(backup.age), C(backup.size) and C(backup.shrink); from the level V(readable) on C(backup.readable) and
      C(backup.content), at V(manifest) C(backup.manifest), and at V(content) C(backup.content_hashes). Their subject is O(label).
      Without a snapshot there is only C(backup.present). C(backup.future) is a warning when some are dated in the future, which do not count
      as the newest. C(backup.storage) is there for a repository on this host; of others nobody here knows how much is free.
    - With O(drill) C(backup.drill), when one was due, whose value are the seconds it took from the repository on, and C(backup.drilled),
      the days since the last good one.
  type: list
  elements: dict
  returned: success
  sample:
    - check: backup.readable
      subject: neurosensefx-web01
      status: critical
      summary: >-
        /srv/restic is damaged: restic check found errors (pack 8f9268f1: does not exist).
      value: 1
      unit: count
      warning: null
      critical: null
      hint: Do not forget or prune anything.
backups:
  description: The snapshots looked at that are not ok, or all with O(return_all).
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The label.
      type: str
    path:
      description: The repository and, behind C(#), the first digits of the snapshot.
      type: str
    format:
      description: Always V(restic).
      type: str
    snapshot:
      description: The id of the snapshot.
      type: str
    backup_id:
      description: What it is called in its manifest; null when something else made it.
      type: str
    created:
      description: When it was made, UTC.
      type: str
    created_from:
      description: Always V(snapshot).
      type: str
    age_hours:
      description: Its age in hours.
      type: float
    bytes:
      description: Bytes of the files in it.
      type: int
    unpacked_bytes:
      description: The same, as its list says it. Null when it was not listed.
      type: int
    members:
      description: Its files, folders and links. Null when it was not listed.
      type: int
    level:
      description: How much was looked at.
      type: str
    status:
      description: The worst status of what was found of it.
      type: str
    problems:
      description: What is wrong with the repository, with C(problem); at most 20.
      type: list
      elements: dict
    missing:
      description: Those of O(require) that no member fits.
      type: list
      elements: str
    differences:
      description: How the dumps in it differ from those of its manifest.
      type: list
      elements: str
drills:
  description: The drills that were made now.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The group.
      type: str
    path:
      description: The backup that was restored.
      type: str
    status:
      description: V(ok), V(warning), V(critical), or V(unknown) when it could not be tried.
      type: str
    seconds:
      description: How long it took.
      type: float
    members:
      description: Members that were restored.
      type: int
    bytes:
      description: Their bytes.
      type: int
    databases:
      description: The C(name), C(tables) and C(rows) of each dump that was loaded.
      type: list
      elements: dict
    problems:
      description: What is wrong, in words; at most 20.
      type: list
      elements: str
totals:
  description:
    - How many C(backups) were looked at, how many of them are C(ok), their C(bytes) and C(members), and how many snapshots do not count
      (C(unfinished)).
  type: dict
  returned: success
  sample: {backups: 1, ok: 1, bytes: 1048576, members: 120, unfinished: 0}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import drill_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.verifying import LEVELS, verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        **OPTIONS,
        "level": {"type": "str", "choices": list(LEVELS), "default": "manifest"},
        "read_data_subset": {"type": "str"},
        "drill": {"type": "dict", "options": drill_options()},
        "max_ratio": {"type": "float", "default": 1100.0},
        "newest": {"type": "int", "default": 1},
        "max_age_hours": {"type": "float", "default": 26.0},
        "min_bytes": {"type": "int", "default": 1},
        "max_shrink_percent": {"type": "float", "default": 50.0},
        "require": {"type": "list", "elements": "str", "default": []},
        "tags": {"type": "list", "elements": "str"},
        "remember": {"type": "bool", "default": False},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params["repository"]))
    try:
        result = verify_backups(module.params, now=utc_now(), read_only=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
