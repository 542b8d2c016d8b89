#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a snapshot of restic beside the live tree, and exchange the two when it is whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restic_restore
version_added: 0.1.0
short_description: Restore a snapshot of restic whole or not at all, and keep what was there before
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Lets restic write each target into a private directory beside it and read every file back, and only when all targets are whole
    exchanges them with what is there, in one step of the kernel each. What was there before is kept, and O(state=previous) puts it
    back. M(upkeep.runbook.backup_restore) does the same with archives, and either takes back what the other has restored.
  - A device, a pipe or a set-user-ID file refuses the restore, by name, before anything is written.
  - When this module is killed at any moment, each target is wholly what it was or wholly what it is to be, and the next call
    completes the work or clears it away (RV(recovered)).
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.restic
attributes:
  check_mode:
    support: full
    details:
      - All checks are made. What would differ from the live tree is not told.
  diff_mode:
    support: full
    details:
      - Says how much of which snapshot each target becomes.
  idempotent:
    support: partial
    details:
      - Each call with O(state=restored) restores anew. O(state=previous) changes nothing the second time.
options:
  snapshot:
    description:
      - The snapshot, by the first digits of its id (at least eight), or by the id of its backup. V(latest) is the newest that counts.
    type: str
    default: latest
  before:
    description: Only snapshots that were begun before this time, in UTC, such as V(2026-11-22T01:43:00Z) or V(2026-11-22).
    type: str
  target:
    description:
      - What is replaced, directories or single files, as absolute paths. All are made ready before the first is exchanged.
      - By default the paths that were backed up, as the manifest says; with O(state=previous) all targets of the last restore.
      - A target that is a mount point, or has one below it, is refused; so is a symbolic link.
    type: list
    elements: str
  from:
    description: The path in the snapshot that becomes the target, one for each O(target). By default the path of the target.
    type: list
    elements: str
  sources:
    description: Only the paths of these sources, by the names they have in the manifest, when O(target) is not given.
    type: list
    elements: str
  members:
    description:
      - Restores a part, given by shell patterns of paths below the target, where C(*) fits C(/) too. A directory that fits is
        restored with all that is in it. Everything else of the live tree stays as it is.
      - A pattern may have four asterisks.
    type: list
    elements: str
  preserve:
    description:
      - Paths below the target whose present state stays, whatever the snapshot has. They are carried over by hard links.
      - By default those that the manifest lists as left out on purpose, as far as the snapshot has not got them.
    type: list
    elements: str
  accept:
    description: V(special_bits) restores set-user-ID and set-group-ID files, which are refused otherwise.
    type: list
    elements: str
    choices: [special_bits]
    default: []
  keep_previous:
    description: How many trees from before are kept of each target. With V(0) O(state=previous) has nothing to put back.
    type: int
    default: 1
  state:
    description:
      - V(restored) restores O(snapshot).
      - V(previous) exchanges the targets with what was there before the last restore, or before the restore O(id).
    type: str
    choices: [restored, previous]
    default: restored
  id:
    description: The restore that O(state=previous) takes back, as RV(id) named it. By default the last one of the targets.
    type: str
  of_run:
    description:
      - The run whose restore O(state=previous) takes back, by the O(run_id) that it gave. A run that has restored nothing, or whose
        restore was taken back already, changes nothing.
    type: str
  tags:
    description:
      - Tags that a snapshot must have to be meant. By default those that M(upkeep.runbook.restic_backup) gives to O(label). An empty
        list means all snapshots of O(host), whoever made them.
    type: list
    elements: str
  run_id:
    description: Id of the run, for those who wait for the lock, and for O(of_run).
    type: str
notes:
  - restic restores owners by their numbers, and extended attributes.
  - Services that write to the tree must be stopped before.
  - The new tree and the old one are on the disk at the same time; without that room nothing is changed.
  - Databases are restored by M(upkeep.runbook.database_restore) from an archive; M(upkeep.runbook.restic_fetch) makes one of a
    snapshot.
seealso:
  - module: upkeep.runbook.backup_restore
  - module: upkeep.runbook.restic_fetch
"""

EXAMPLES = r"""
- name: Restore the newest snapshot to where it came from
  upkeep.runbook.restic_restore: &repository
    repository: sftp:backup@storage:/srv/restic/neurosensefx
    password_file: /etc/upkeep/restic-password
    label: neurosensefx-web01
    host: "{{ inventory_hostname }}"
  register: restored

- name: Put back what was there before
  upkeep.runbook.restic_restore:
    <<: *repository
    state: previous
    id: "{{ restored.id }}"

- name: Restore one folder of an older snapshot
  upkeep.runbook.restic_restore:
    <<: *repository
    snapshot: 1a2b3c4d
    target: [/opt/neurosensefx]
    members: [config]
"""

RETURN = r"""
restored:
  description: The targets, also in check mode.
  type: list
  elements: dict
  returned: success
  contains:
    target:
      description: Absolute path, links in its parents resolved.
      type: str
    previous:
      description: Where the tree from before is kept, or null when there was none or none is kept.
      type: str
    members:
      description: How many files and folders were written.
      type: int
    bytes:
      description: How many bytes these have.
      type: int
    carried_over:
      description: How many files and directories were taken over from the live tree.
      type: int
    seconds:
      description: How long the whole call took.
      type: float
id:
  description: Id of the restore, for O(id). Null in check mode.
  type: str
  returned: success
  sample: 20261122T021500Z-1a2b3c4d
snapshot:
  description: The id of the snapshot. Null with O(state=previous).
  type: str
  returned: success
seconds:
  description: How long the whole call took.
  type: float
  returned: success
manifest:
  description: The manifest of the snapshot, or null when it has none.
  type: dict
  returned: success
removed:
  description: Trees from earlier restores that were removed because of O(keep_previous).
  type: list
  elements: str
  returned: success
recovered:
  description: What an earlier call had left unfinished, and what was done about it.
  type: list
  elements: str
  returned: always
status:
  description: The worst status of RV(checks).
  type: str
  returned: success
checks:
  description: C(backup.restore) for each target.
  type: list
  elements: dict
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.restoring import restore_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = {"type": "list", "elements": "str"}
    return {
        **OPTIONS,
        "snapshot": {"type": "str", "default": "latest"},
        "before": {"type": "str"},
        "target": {**texts},
        "from": {**texts},
        "sources": {**texts},
        "members": {**texts},
        "preserve": {**texts},
        "accept": {**texts, "choices": ["special_bits"], "default": []},
        "keep_previous": {"type": "int", "default": 1},
        "state": {"type": "str", "choices": ["restored", "previous"], "default": "restored"},
        "id": {"type": "str"},
        "of_run": {"type": "str"},
        "tags": {**texts},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params["repository"]))
    try:
        result = restore_backup(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
