#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a backup beside the live tree, and exchange the two when it is whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
version_added: 0.1.0
short_description: Restore a backup whole or not at all, and keep what was there before
description:
  - Checks the names of all members, then unpacks the archive into a private directory beside each target, every member
    compared with the manifest and every file with its SHA-256, and only when all targets are whole exchanges them with
    what is there, in one step of the kernel each. What was there before is kept, and O(state=previous) puts it back.
  - A member that leads out of the target, a device, a pipe, a set-user-ID file, a name that stands twice or a link that others
    would be written through refuses the whole archive, by name, before anything is written.
  - When this module is killed at any moment, each target is wholly what it was or wholly what it is to be, and the next call
    completes the work or clears it away (RV(recovered)).
  - Restores archives of M(upkeep.runbook.backup_create), and tar and zip archives of other tools, such as the archives inside
    archives that the manual's own script makes.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - All checks are made, and the names of the members are compared with the live tree; what would be added, changed and
        removed is in RV(changes). Contents are compared by size and time only.
  diff_mode:
    support: full
    details:
      - The first 200 names of each kind are shown.
  idempotent:
    support: partial
    details:
      - Each call with O(state=restored) restores anew. O(state=previous) changes nothing the second time.
options:
  path:
    description: The archive, as an absolute path. Needed with O(state=restored).
    type: path
  target:
    description:
      - What is replaced, directories or single files, as absolute paths. All are made ready before the first is exchanged.
      - By default the paths that the archive was made of, as its manifest says; with O(state=previous) all targets of the last
        restore.
      - A target that is a mount point, or has one below it, is refused; so is a symbolic link.
    type: list
    elements: str
  from:
    description:
      - The member of the archive that becomes the target, one for each O(target).
      - By default C(files) and the path of the target for archives with a manifest, and the whole archive for others.
    type: list
    elements: str
  inside:
    description:
      - Shell pattern of an archive inside the archive, which is restored instead, such as C(*/application.tar.gz). Exactly one
        member must fit it.
    type: str
  sources:
    description: Only members of these sources, by the names they have in the manifest.
    type: list
    elements: str
  members:
    description:
      - Restores a part, given by shell patterns of paths below the target, where C(*) fits C(/) too. A directory that fits is
        restored with all that is in it.
      - Everything else of the live tree stays as it is. The new tree takes it over by hard links, so that this part is
        exchanged in one step, too, and can be put back.
    type: list
    elements: str
  preserve:
    description:
      - Paths below the target whose present state stays, whatever the archive has. They are carried over by hard links.
      - By default those that the backup leaves out on purpose, by its patterns, as far as the archive has not got them.
    type: list
    elements: str
  verify:
    description:
      - V(content) refuses an archive in which one file has other contents than its manifest says.
      - V(none) restores such files all the same and names them in a warning. Damage that ends the reading refuses the archive
        in any case.
    type: str
    choices: [content, none]
    default: content
  manifest:
    description: V(required) refuses archives without a manifest of M(upkeep.runbook.backup_create).
    type: str
    choices: [required, optional]
    default: optional
  accept:
    description:
      - What is restored although it is refused otherwise.
      - V(outside_links) are symbolic links that leave the target. A manifest vouches for those of its archive.
      - V(special_bits) are set-user-ID and set-group-ID bits. A manifest vouches for set-group-ID directories.
      - V(other_names) are names that are not UTF-8. A manifest vouches for those of its archive.
    type: list
    elements: str
    choices: [outside_links, special_bits, other_names]
    default: []
  owners:
    description:
      - Who owns what is restored. V(names) is the user and group of the same name on this host, else of the same number;
        V(numbers) is the number alone; V(none) is the user who restores. Anybody but root restores as with V(none).
    type: str
    choices: [names, numbers, none]
    default: names
  keep_previous:
    description: How many trees from before are kept of each target. With V(0) O(state=previous) has nothing to put back.
    type: int
    default: 1
  state:
    description:
      - V(restored) restores O(path).
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
      - A run that was killed did not live to see RV(id); this finds what it has done.
    type: str
  timeout_seconds:
    description: Time for reading the archive, V(1) to V(86400), in seconds. When it is over nothing is changed.
    type: float
    default: 7200.0
  max_ratio:
    description: How many times its size an archive may unpack to. 256 MiB are always allowed.
    type: float
    default: 200.0
  max_members:
    description:
      - How many members an archive may have. By default V(5000000) with a manifest of M(upkeep.runbook.backup_create), and
        V(500000) without one.
    type: int
  max_decoder_bytes:
    description: Memory that unpacking xz and zstd may use, in bytes. C(xz -9) needs 68 MiB.
    type: int
    default: 83886080
  state_directory:
    description: Folder of the lock of the host, and of the journals of restores.
    type: path
    default: /var/lib/upkeep
  run_id:
    description: Id of the run, for those who wait for the lock, and for O(of_run).
    type: str
  lock_wait_seconds:
    description: How long to wait when another run acts on this host, in seconds.
    type: float
    default: 0.0
notes:
  - Extended attributes, access control lists and SELinux labels are not in archives, and not restored. Directories that are
    carried over keep theirs.
  - Services that write to the tree must be stopped before. What they write into the old tree while the new one is made is in
    the old tree only.
  - The new tree and the old one are on the disk at the same time; without that room nothing is changed.
requirements:
  - The library libzstd (package C(libzstd1), which dpkg itself needs) or the program C(zstd) on the host, for what zstd compressed.
seealso:
  - module: upkeep.runbook.backup_verify
"""

EXAMPLES = r"""
- name: Restore the whole backup to where it came from
  upkeep.runbook.backup_restore:
    path: /opt/backups/neurosensefx/neurosense-fx-web1_20261122T020000Z.tar.zst
  register: restored

- name: Put back what was there before
  upkeep.runbook.backup_restore:
    state: previous
    id: "{{ restored.id }}"

- name: Restore one folder of the application, and leave the rest as it is
  upkeep.runbook.backup_restore:
    path: /opt/backups/neurosensefx/neurosense-fx-web1_20261122T020000Z.tar.zst
    target: [/opt/neurosensefx]
    members: [config]

- name: Restore the application from a backup of the manual's own script
  upkeep.runbook.backup_restore:
    path: /opt/backups/neurosensefx/comprehensive_backup_20261122_020000.tar.gz
    inside: "*/application.tar.gz"
    target: [/opt/neurosensefx]
    preserve: [node_modules, logs]
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
      description: How many members were written.
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
seconds:
  description: How long the whole call took.
  type: float
  returned: success
manifest:
  description: The manifest of the archive without its members, or null when it has none.
  type: dict
  returned: success
changes:
  description: In check and diff mode, how many paths are C(added), C(changed), C(removed) and C(same) below each C(target).
  type: list
  elements: dict
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
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import ACCEPTABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.owners import POLICIES
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.restoring import restore_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = {"type": "list", "elements": "str"}
    return {
        "path": {"type": "path"},
        "target": {**texts},
        "from": {**texts},
        "inside": {"type": "str"},
        "sources": {**texts},
        "members": {**texts},
        "preserve": {**texts},
        "verify": {"type": "str", "choices": ["content", "none"], "default": "content"},
        "manifest": {"type": "str", "choices": ["required", "optional"], "default": "optional"},
        "accept": {**texts, "choices": list(ACCEPTABLE), "default": []},
        "owners": {"type": "str", "choices": list(POLICIES), "default": "names"},
        "keep_previous": {"type": "int", "default": 1},
        "state": {"type": "str", "choices": ["restored", "previous"], "default": "restored"},
        "id": {"type": "str"},
        "of_run": {"type": "str"},
        "timeout_seconds": {"type": "float", "default": 7200.0},
        "max_ratio": {"type": "float", "default": 200.0},
        "max_members": {"type": "int"},
        "max_decoder_bytes": {"type": "int", "default": 83886080},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "run_id": {"type": "str"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    diff_mode = bool(module._diff)  # there is no public name for it
    try:
        result = restore_backup(module.params, now=utc_now(), check_mode=module.check_mode, diff_mode=diff_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
