#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make an archive of a snapshot of restic."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restic_fetch
version_added: 0.1.0
short_description: Make an archive of a snapshot of restic, to be restored, drilled or compared like any other
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Lets restic restore a whole snapshot of M(upkeep.runbook.restic_backup) into a private folder and read every file back, and packs
    that into an archive as M(upkeep.runbook.backup_create) makes them, without compression, with its manifest.
  - What verifies, drills and restores archives, with their databases, does the same with the snapshot then.
  - The archive is called C(<label>_<time of the snapshot>.tar). One that is there already is not made again.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.restic
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  snapshot:
    description:
      - The snapshot, by the first digits of its id (at least eight), or by the id of its backup. V(latest) is the newest that counts.
    type: str
    default: latest
  before:
    description: Only snapshots that were begun before this time, in UTC, such as V(2026-11-22T01:43:00Z) or V(2026-11-22).
    type: str
  destination:
    description:
      - Folder for the archive, of mode C(0700) when it is made. By default C(restic-fetched) in O(state_directory), where the last one
        replaces those of other snapshots of the label.
      - While the archive is made it needs room for twice the contents of the snapshot.
    type: path
  tags:
    description: Tags that a snapshot must have to be meant. By default those that M(upkeep.runbook.restic_backup) gives to O(label).
    type: list
    elements: str
  run_id:
    description: Id of the run, for those who wait for the lock.
    type: str
seealso:
  - module: upkeep.runbook.restic_restore
  - module: upkeep.runbook.backup_restore
  - module: upkeep.runbook.backup_verify
"""

EXAMPLES = r"""
- name: Fetch the newest snapshot
  upkeep.runbook.restic_fetch:
    repository: sftp:backup@storage:/srv/restic/neurosensefx
    password_file: /etc/upkeep/restic-password
    label: neurosensefx-web01
    host: "{{ inventory_hostname }}"
  register: fetched

- name: Compare every byte of it with its manifest
  upkeep.runbook.backup_verify:
    path: "{{ fetched.backup.path }}"
    level: content
"""

RETURN = r"""
backup:
  description: The archive, also in check mode.
  type: dict
  returned: success
  contains:
    path:
      description: The archive.
      type: str
    manifest_path:
      description: The manifest beside it.
      type: str
    snapshot:
      description: The id of the snapshot.
      type: str
    backup_id:
      description: What the backup is called in its manifest.
      type: str
    label:
      description: What it is of.
      type: str
    bytes:
      description: Size of the archive; null when it would be made in check mode.
      type: int
    started:
      description: When the backup was begun, UTC.
      type: str
status:
  description: The status of the check.
  type: str
  returned: success
checks:
  description: C(backup.fetch), whose subject is the label.
  type: list
  elements: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.fetching import fetch_snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        **OPTIONS,
        "snapshot": {"type": "str", "default": "latest"},
        "before": {"type": "str"},
        "destination": {"type": "path"},
        "tags": {"type": "list", "elements": "str"},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params["repository"]))
    try:
        result = fetch_snapshot(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
