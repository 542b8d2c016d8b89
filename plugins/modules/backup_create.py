#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a backup of files and databases that says what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_create
version_added: 0.1.0
short_description: Make a backup of files and databases, with the checksum of everything in it
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Writes one archive of the sources in one pass, with a manifest in it and beside it that lists every member with size,
    SHA-256, permissions, owner, time and target of links, what was left out, and what was true of the host.
  - The archive gets its name when it is whole and on the disk. A run that fails or is killed leaves nothing that looks like
    a backup, and never touches earlier ones.
  - A source that is missing, a pattern that matches nothing and a file that cannot be read are errors, and no backup is made.
    Sockets, pipes, devices and files that vanish meanwhile are left out and listed.
  - A file up to 16 MiB is read whole, and read again when it changed meanwhile. A larger one that changes while it is read is in
    the backup as it was read, and is a warning.
  - The archive is an ordinary tar archive; C(tar -xf) unpacks it. It is called C(<label>_<time in UTC>.tar.zst), C(.tar.gz) or
    C(.tar), and its files have the names C(files/<absolute path>).
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.dumps
attributes:
  check_mode:
    support: full
    details:
      - Looks at all sources without reading their files, and makes no dump.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Every call makes a new backup.
options:
  sources:
    description: What is backed up. What is below the paths of several sources belongs to the innermost path, and is read once.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the source is called in the manifest.
        type: str
        required: true
      paths:
        description:
          - Absolute paths of directories and files. Wildcards are allowed; as in a shell, an asterisk fits neither a slash nor a
            leading dot.
          - A path that is a symbolic link is refused, since the backup would hold that link alone.
        type: list
        elements: str
        required: true
      exclude:
        description:
          - Shell patterns of what is left out with all that is in it. A pattern without a slash is a name at any depth; one with a
            slash is a path below the source, or an absolute path. An asterisk fits a slash too.
          - The folder of backups itself is always left out.
        type: list
        elements: str
        default: []
      max_age_days:
        description:
          - Leave out files that were changed longer ago than this, in days, V(0.01) to V(36500), such as old logs. By default files
            of any age are backed up.
        type: float
      one_file_system:
        description:
          - Leave out what is on another file system than the path of the source. The directory at which it is mounted is in the backup,
            empty, and that is a warning unless O(sources[].exclude) names it.
        type: bool
        default: true
  destination:
    description:
      - Folder of the backups, as an absolute path. It is created with mode C(0700). One in which other users may exchange files is
        refused.
    type: path
    required: true
  label:
    description: What the names of the backups begin with. Letters, digits, dots, dashes and underscores.
    type: str
    required: true
  compression:
    description:
      - How the archive is compressed. V(zstd) needs the library libzstd on the host, which Debian always has; without it the
        backup is compressed by gzip, with a warning.
    type: str
    choices: [zstd, gzip, none]
    default: zstd
  compression_level:
    description: How much, V(1) to V(19) with zstd and V(1) to V(9) with gzip. By default 3 and 6.
    type: int
  platform:
    description: The name of the platform, for the manifest.
    type: str
    default: ""
  host:
    description: The name of the host, for the manifest. By default the one that it gives itself.
    type: str
  git:
    description:
      - Working trees of git whose revision the manifest is to tell, as absolute paths. git runs with the rights of their owner.
    type: list
    elements: str
    default: []
  services:
    description: Units of systemd whose state the manifest is to tell.
    type: list
    elements: str
    default: []
  min_free_percent:
    description:
      - So much of the file system of O(destination) stays free, in percent, V(0) to V(90). A backup that would take more is not begun,
        or given up.
    type: float
    default: 1.0
  accept:
    description:
      - What restores of this backup are told to accept, as in O(upkeep.runbook.backup_restore#module:accept).
      - Without V(special_bits) a file that runs with the rights of its owner or group is a warning, since drills and recoveries refuse
        it. It is in the backup all the same.
    type: list
    elements: str
    choices: [outside_links, special_bits, other_names]
    default: []
  timeout_seconds:
    description: Time for the whole backup, in seconds, V(1) to V(604800).
    type: float
    default: 21600.0
  state_directory:
    description: The folder with the lock of this host. It is created with mode C(0700).
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run that acts on this host now, in seconds, V(0) to V(86400).
    type: float
    default: 0.0
  run_id:
    description: The id of the run that calls, for who waits for the lock.
    type: str
notes:
  - Access lists, extended attributes and capabilities of files are not kept. Sparse files are read as what they hold.
requirements:
  - The library libzstd (package C(libzstd1), which dpkg itself needs) on the host for O(compression=zstd), C(git) for O(git).
seealso:
  - module: upkeep.runbook.backup_verify
"""

EXAMPLES = r"""
- name: Back up an application without what its package manager can fetch again
  upkeep.runbook.backup_create:
    label: neurosensefx-web01
    destination: /opt/backups/neurosensefx
    platform: NeuroSense FX
    sources:
      - name: application
        paths: [/opt/neurosensefx]
        exclude: [node_modules, logs/*.gz, data/upkeep.sqlite*]
      - name: logs
        paths: [/opt/neurosensefx/logs]
        max_age_days: 7
      - name: configuration
        paths: [/etc/nginx/nginx.conf, /etc/systemd/system/tick-*.service]
    dumps:
      - {type: postgresql, database: neurosense}
      - {type: postgresql_globals}
      - {type: sqlite, path: /opt/neurosensefx/data/upkeep.sqlite}
    git: [/opt/neurosensefx]
    services: [tick-backend.service]
  register: backup_made

- name: Verify what was made
  upkeep.runbook.backup_verify:
    path: "{{ backup_made.backup.path }}"
"""

RETURN = r"""
backup:
  description: The backup that was made, or in check mode the one that would be.
  returned: success
  type: dict
  contains:
    path:
      description: The archive.
      type: str
      sample: /opt/backups/neurosensefx/neurosensefx-web01_20261122T021500Z.tar.zst
    manifest_path:
      description: The manifest beside it.
      type: str
      sample: /opt/backups/neurosensefx/neurosensefx-web01_20261122T021500Z.tar.zst.manifest.json
    backup_id:
      description: What it is called in its manifest. Null in check mode.
      type: str
      sample: 20261122T021500Z-1a2b3c4d
    label:
      description: As O(label).
      type: str
    compression:
      description: How it is compressed.
      type: str
    sha256:
      description: Of the archive. Null in check mode.
      type: str
    bytes:
      description: Size of the archive. Null in check mode.
      type: int
    members:
      description: How many members it has, the manifest not counted.
      type: int
    unpacked_bytes:
      description: Bytes of the contents of its files.
      type: int
    started:
      description: When it was begun, UTC. Null in check mode.
      type: str
    ended:
      description: When all was read, UTC. Null in check mode.
      type: str
    torn:
      description: Members whose file changed while it was read; at most 100.
      type: list
      elements: str
    skipped:
      description: What cannot be a member, with C(path) and C(reason); at most 100.
      type: list
      elements: dict
    skipped_count:
      description: How many these are.
      type: int
    excluded:
      description: The top of each subtree that was left out, with C(path) and C(pattern); at most 100.
      type: list
      elements: dict
    excluded_count:
      description: How many these are.
      type: int
    dumps:
      description: The dumps in it, with C(name), C(type), C(database), C(member), C(bytes) and C(tool).
      type: list
      elements: dict
leftovers_removed:
  description: Names of drafts and manifests that killed runs had left.
  returned: success
  type: list
  elements: str
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(backup.create). C(backup.torn) is a warning when a file changed while it was read. C(backup.skipped) is a warning when another
      file system is not in the backup. C(backup.rights) is a warning when something in it is refused by restores (O(accept)).
  returned: success
  type: list
  elements: dict
  sample:
    - check: backup.create
      subject: neurosensefx-web01
      status: ok
      summary: >-
        /opt/backups/neurosensefx/neurosensefx-web01_20261122T021500Z.tar.zst was made: 18846 members, 302 MiB, packed to 61.2 MiB.
      value: 64172851
      unit: bytes
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creating import create_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import source_options
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import dump_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import ACCEPTABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = {"type": "list", "elements": "str"}
    return {
        "sources": {"type": "list", "elements": "dict", "options": source_options(), "default": []},
        "dumps": {"type": "list", "elements": "dict", "options": dump_options(), "default": []},
        "destination": {"type": "path", "required": True},
        "label": {"type": "str", "required": True},
        "compression": {"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
        "compression_level": {"type": "int"},
        "platform": {"type": "str", "default": ""},
        "host": {"type": "str"},
        "git": {**texts, "default": []},
        "services": {**texts, "default": []},
        "min_free_percent": {"type": "float", "default": 1.0},
        "accept": {**texts, "choices": list(ACCEPTABLE), "default": []},
        "timeout_seconds": {"type": "float", "default": 21600.0},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = create_backup(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
