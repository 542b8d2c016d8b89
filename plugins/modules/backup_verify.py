#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Find the newest backups, read them to their end, and compare every member and every byte with their manifest
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Looks at the newest backup of each group, at its age, its size and its size beside those before it.
  - At the level V(readable) it reads the whole of it, and the archives inside it, so that what is cut off, damaged or missing
    is found. Nothing is unpacked to a disk, and memory stays small whatever the size.
  - At the levels V(manifest) and V(content) it compares what it reads with the manifest that C(backup_create)
    left beside the archive and inside it. What differs is named, member by member.
  - Reads tar archives (v7, ustar, PAX and GNU, with long names, large and sparse files), alone or compressed by gzip, xz,
    bzip2 or zstd, zip archives, and single compressed files such as dumps of databases. The format is told by the bytes; a
    name that promises another one is critical.
  - What cannot be read, such as an encrypted archive, is V(unknown) with the reason, and so is a backup that somebody writes
    to while it is read.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
  - upkeep.runbook.drill
options:
  path:
    description:
      - One backup. A link is followed only to a name in its own folder, as C(latest.tar.gz) often is.
      - Exactly one of O(path), O(directory) and O(backups) is given.
    type: path
  directory:
    description:
      - Folder with backups. Those whose names fit O(pattern) are one group, of which the O(newest) are looked at.
      - Links, folders and pipes that are called like a backup are none, which is a warning.
    type: path
  pattern:
    description:
      - Shell patterns of the names of the backups in O(directory). A folder with backups of several things needs a group
        with a pattern for each, since otherwise only the newest of them all is looked at.
      - By default the endings of all archives that can be read, C(*.tar), C(*.tar.gz), C(*.zip) and so on.
    type: list
    elements: str
  newest:
    description: How many of the newest backups are looked at, V(1) to V(100). The age is that of the newest.
    type: int
    default: 1
  level:
    description:
      - How much is looked at.
      - V(exists) reads no contents, only that there is a backup, its age and its sizes.
      - V(readable) reads the whole of it besides.
      - V(manifest) compares its members with its manifest besides, their names, order, kinds, sizes, rights, owners, times
        and targets of links.
      - V(content) hashes every byte besides, of each member and of the archive itself.
      - V(drill) tries a restore besides when one is due, as O(drill) says.
    type: str
    choices: [exists, readable, manifest, content, drill]
    default: readable
  manifest:
    description:
      - What a backup without a manifest is, at the levels V(manifest) and V(content).
      - With V(required) it is critical.
      - With V(optional) it is one of another program, verified at the level V(readable), and the results say so.
      - With V(none) manifests are not looked at.
      - A manifest that is there and is damaged, or belongs to another backup, is critical with V(optional), too.
    type: str
    choices: [required, optional, none]
    default: required
  max_age_hours:
    description:
      - A newest backup that is older is critical, in hours. V(0) is no limit.
      - A backup was made at the time that its manifest gives, where that was read, otherwise at the one that its name spells,
        in the zone of the host unless it ends in C(Z), otherwise when it was last changed.
    type: float
    default: 26.0
  min_bytes:
    description: A backup with fewer bytes is critical. An empty one always is.
    type: int
    default: 1
  max_shrink_percent:
    description:
      - A newest backup in O(directory) that is smaller by more than this than the median of up to five before it is a warning,
        in percent. V(0) is no limit.
    type: float
    default: 50.0
  require:
    description:
      - Shell patterns of members that the backup must hold; one that no member fits is critical, at the level V(readable).
      - An asterisk fits a slash too. The members of an archive inside are called after it, such as
        C(backup_20260101_000000/application.tar.gz/package.json).
    type: list
    elements: str
    default: []
  backups:
    description:
      - Several groups, looked at in one call. What a group leaves out is taken from the options of the same name above.
    type: list
    elements: dict
    suboptions:
      name:
        description: What the group is called in results. By default its path, or its folder and pattern.
        type: str
      path:
        description: As O(path). Exactly one of this and O(backups[].directory) is given.
        type: path
      directory:
        description: As O(directory).
        type: path
      pattern:
        description: As O(pattern).
        type: list
        elements: str
      newest:
        description: As O(newest).
        type: int
      level:
        description: As O(level).
        type: str
        choices: [exists, readable, manifest, content, drill]
      manifest:
        description: As O(manifest).
        type: str
        choices: [required, optional, none]
      max_age_hours:
        description: As O(max_age_hours).
        type: float
      min_bytes:
        description: As O(min_bytes).
        type: int
      max_shrink_percent:
        description: As O(max_shrink_percent).
        type: float
      require:
        description: As O(require).
        type: list
        elements: str
  drill:
    description:
      - How restores are tried at the level V(drill). A backup is unpacked into a scratch folder with all checks of a restore, and its dumps
        are loaded into scratch databases beside the real ones; all of it is removed again.
      - Nothing is tried in check mode. When a drill was good is known by O(remember), and without it each call tries one.
  nested_depth:
    description:
      - How deep archives inside archives are read, V(0) to V(5). A member is taken for one by the ending of its name.
    type: int
    default: 2
  nested_exclude:
    description:
      - Shell patterns of archives inside that are not opened. Packages of npm carry broken archives on purpose, for their tests.
    type: list
    elements: str
    default: ["node_modules/*", "*/node_modules/*"]
  timeout_seconds:
    description: Time for the whole call, V(1) to V(86400), in seconds. What was not read by then is V(unknown).
    type: float
    default: 3600.0
  max_ratio:
    description:
      - How many times its size a backup may unpack to, all archives inside together. Beyond it reading ends, which is
        V(unknown). 256 MiB are always allowed.
    type: float
    default: 1100.0
  max_members:
    description: How many members a backup may have, those of archives inside included. Beyond it is V(unknown).
    type: int
    default: 5000000
  max_decoder_bytes:
    description:
      - Memory that unpacking xz and zstd may use, in bytes. An archive that needs more is V(unknown); C(xz -9) needs 68 MiB.
    type: int
    default: 25165824
  remember:
    description:
      - Keep in C(backups.json) of O(state_directory) how far each backup was verified, when, and what came of it. By that
        C(backup_prune) knows the newest good one. Nothing is kept in check mode.
      - When it cannot be kept, that is the check C(backup.remembered), V(unknown).
    type: bool
    default: false
  state_directory:
    description: Folder of C(backups.json). It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  run_id:
    description: Id of the run, which another one is told while this one writes C(backups.json).
    type: str
notes:
  - The formats differ in what they protect. gzip, bzip2, zip and, unless it was switched off, xz and zstd have checksums of all
    contents, so that every change of a member is found. A tar archive without compression has checksums of its headers
    only, and RV(backups[].content_checksums) is then false. Times, rights and comments in the directory of a zip archive
    have none, and neither have bytes that belong to no member (RV(backups[].gap_bytes)).
  - With a manifest beside it a backup is read once. Without one it is read twice, since the manifest inside is its last member;
    that is kept aside in C(/var/tmp) meanwhile.
  - A zip archive inside another archive is kept aside in an unnamed file in C(/var/tmp) while it is read, up to 256 MiB.
requirements:
  - The library libzstd (package C(libzstd1), which dpkg itself needs) or the program C(zstd) on the host, for what zstd
    compressed. Without both such a backup is V(unknown).
  - At the level V(content) the program C(igzip) (package C(isal)) is used for gzip where it is, in a third of the time.
  - For O(drill.run_as) the program C(setpriv) of util-linux, and for O(drill.dumps) the clients of the databases.
seealso:
  - module: ansible.builtin.unarchive
"""

EXAMPLES = r"""
- name: Verify the newest backup of a folder
  upkeep.runbook.backup_verify:
    directory: /opt/backups/neurosensefx
    pattern: comprehensive_backup_*.tar.gz
    max_age_hours: 26
    require:
      - "*/application.tar.gz/package.json"
      - "*/config.tar.gz"
  register: backups_result

- name: Compare the newest backup with its manifest, every byte of it
  upkeep.runbook.backup_verify:
    directory: /var/backups/upkeep
    level: content
    remember: true
  register: backups_result

- name: Look at three kinds of backups in one call, without reading them
  upkeep.runbook.backup_verify:
    level: exists
    backups:
      - {name: application, directory: /var/backups/app, pattern: "application-*.tar.zst"}
      - {name: configuration, directory: /var/backups/app, pattern: "configuration-*.tar.zst", max_shrink_percent: 20}
      - {name: database, path: /var/backups/database/latest.sql.gz, min_bytes: 1048576}

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ backups_result.checks | rejectattr('status', 'eq', 'ok') | map(attribute='summary') }}"
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: ok
checks:
  description:
    - For each group C(backup.present), C(backup.age), C(backup.size), C(backup.shrink), C(backup.storage) and, at the level
      V(readable), C(backup.readable) and C(backup.content); at the level V(manifest) also C(backup.manifest), at the level V(content)
      C(backup.content_hashes), and at the level V(drill) C(backup.drilled) and, when one was made now, C(backup.drill).
      Their subject is the group. Without a backup there is only C(backup.present). C(backup.future) is a warning when some are dated in the
      future, which do not count as the newest.
  type: list
  elements: dict
  returned: success
  sample:
    - check: backup.readable
      subject: /opt/backups/neurosensefx/comprehensive_backup_*.tar.gz
      status: critical
      summary: >-
        /opt/backups/neurosensefx/comprehensive_backup_20260101_020000.tar.gz:
        backup_20260101_020000/application.tar.gz inside it is cut off: its gzip stream ends before its end marker.
      value: 1
      unit: count
      warning: null
      critical: null
      hint: Make a new backup now and verify it; keep this one until then.
backups:
  description: The backups looked at that are not ok, or all with O(return_all).
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The group.
      type: str
    path:
      description: The file.
      type: str
    format:
      description:
        - V(tar), V(tar.gz), V(tar.xz), V(tar.bz2), V(tar.zst), V(zip), or V(gz), V(xz), V(bz2), V(zst) for a single compressed
          file. Null when it was not read, empty when it is none of these.
      type: str
    created:
      description: When it was made, UTC.
      type: str
    created_from:
      description: What says so, V(manifest), V(name) or V(mtime).
      type: str
    age_hours:
      description: Its age in hours.
      type: float
    bytes:
      description: Its size.
      type: int
    unpacked_bytes:
      description: What was unpacked of it, all archives inside together.
      type: int
    members:
      description: Its members, those of archives inside not counted. Null when it was not read.
      type: int
    archives_inside:
      description: How many archives and compressed files inside it were read to their end.
      type: int
    archives_left_out:
      description: How many were not opened, because of O(nested_exclude) or O(nested_depth).
      type: int
    gap_bytes:
      description: Bytes of a zip archive that belong to nothing in it.
      type: int
    content_checksums:
      description: Whether checksums of the format cover all contents.
      type: bool
    level:
      description: How much was looked at; V(readable) where a backup has no manifest and needs none (O(manifest)).
      type: str
    status:
      description: The worst status of what was found of it.
      type: str
    problems:
      description: What is wrong with it, with C(problem) and, where they are known, C(member) and C(offset); at most 20.
      type: list
      elements: dict
    missing:
      description: Those of O(require) that no member fits.
      type: list
      elements: str
    differences:
      description: What differs between the backup and its manifests, in words; at most 20 of each kind.
      type: list
      elements: str
    manifest:
      description:
        - Of the manifest that it was compared with, C(backup_id), C(label), C(platform), C(host), C(started) and C(ended).
        - C(compared) says which one it was, V(beside) or V(inside), C(members) how many members were compared, and C(torn)
          how many files changed while they were packed.
        - Null when it was compared with none.
      type: dict
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
  description: How many C(backups) were looked at, how many of them are C(ok), and their C(bytes) and C(members).
  type: dict
  returned: success
  sample: {backups: 1, ok: 1, bytes: 1048576, members: 120}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import drill_options
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import LEVELS, MANIFEST_POLICIES
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = {"type": "list", "elements": "str"}
    group: dict[str, dict[str, Any]] = {
        "path": {"type": "path"},
        "directory": {"type": "path"},
        "pattern": {**texts},
        "newest": {"type": "int", "default": 1},
        "level": {"type": "str", "choices": list(LEVELS), "default": "readable"},
        "manifest": {"type": "str", "choices": list(MANIFEST_POLICIES), "default": "required"},
        "max_age_hours": {"type": "float", "default": 26.0},
        "min_bytes": {"type": "int", "default": 1},
        "max_shrink_percent": {"type": "float", "default": 50.0},
        "require": {**texts, "default": []},
    }
    without_defaults = {
        key: {name: value for name, value in option.items() if name != "default"} for key, option in group.items()
    }
    return {
        **group,
        "backups": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}, **without_defaults}},
        "nested_depth": {"type": "int", "default": 2},
        "nested_exclude": {**texts, "default": ["node_modules/*", "*/node_modules/*"]},
        "timeout_seconds": {"type": "float", "default": 3600.0},
        "max_ratio": {"type": "float", "default": 1100.0},
        "max_members": {"type": "int", "default": 5_000_000},
        "max_decoder_bytes": {"type": "int", "default": 25165824},
        "drill": {"type": "dict", "options": drill_options()},
        "remember": {"type": "bool", "default": False},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    where = ("path", "directory", "backups")
    module = AnsibleModule(
        argument_spec=argument_spec(), mutually_exclusive=[where], required_one_of=[where], supports_check_mode=True
    )
    try:
        result = verify_backups(module.params, now=utc_now(), read_only=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
