#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a backup in a repository of restic."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restic_backup
version_added: 0.1.0
short_description: Make a backup of files and databases in a repository of restic
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Makes one snapshot of all sources and dumps. restic encrypts it, stores only what is new, and reaches repositories on other hosts.
    M(upkeep.runbook.backup_create) is the same with archives of our own.
  - Dumps are made first, in a private folder; when one fails there is no snapshot. They are C(/dumps/<name>) in the snapshot, beside
    C(/manifest.json), which says what was left out and what was true of the host.
  - A source that is missing and a file that cannot be read are errors. restic saves a snapshot all the same; it is forgotten, and
    until then it does not count. The same holds for a snapshot whose end a killed run has not seen.
  - Files that vanish meanwhile are listed. Sockets, pipes and devices are left out and listed.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.dumps
  - upkeep.runbook.restic
attributes:
  check_mode:
    support: full
    details:
      - Opens the repository without a lock and looks at all sources without reading their files. Makes no dump.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Every call makes a new snapshot.
options:
  sources:
    description:
      - What is backed up, as in O(upkeep.runbook.backup_create#module:sources).
      - restic has one list of what is left out. Sources inside each other are refused when they leave out different things, and
        so is C(/) as a whole.
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
            slash is a path below the source, or an absolute path. An asterisk fits a slash too, a question mark does not.
          - A pattern with a slash may have four asterisks.
        type: list
        elements: str
        default: []
      max_age_days:
        description:
          - Leave out files that were changed longer ago than this, in days, V(0.01) to V(36500), at most 1000 files. By default files of
            any age are backed up.
        type: float
      one_file_system:
        description: Leave out what is on another file system than the path of the source. The same for all sources.
        type: bool
        default: true
  platform:
    description: The name of the platform, for the manifest.
    type: str
    default: ""
  git:
    description: Working trees of git whose revision the manifest is to tell, as absolute paths.
    type: list
    elements: str
    default: []
  services:
    description: Units of systemd whose state the manifest is to tell.
    type: list
    elements: str
    default: []
  init:
    description:
      - Make the repository when there is none. Where the last backup of this host went into one of the same address this is refused,
        since then its file system is not mounted, or it was removed.
    type: bool
    default: false
  accept:
    description:
      - What restores of this backup are told to accept, as in O(upkeep.runbook.backup_restore#module:accept).
      - Without V(special_bits) a file that runs with the rights of its owner or group is a warning, since drills and recoveries refuse
        it. It is in the backup all the same.
    type: list
    elements: str
    choices: [outside_links, special_bits, other_names]
    default: []
  staging_directory:
    description:
      - Where dumps are kept while the snapshot is made, in a private folder that is removed afterwards. It must not lie in a source.
        By default O(state_directory).
    type: path
  run_id:
    description: The id of the run that calls, for who waits for the lock.
    type: str
notes:
  - restic does not tell which files changed while it read them; RV(backup.torn) is always empty. Dump a database instead of copying
    its files.
seealso:
  - module: upkeep.runbook.backup_create
  - module: upkeep.runbook.restic_verify
  - module: upkeep.runbook.restic_forget
  - module: upkeep.runbook.restic_restore
"""

EXAMPLES = r"""
- name: Back up an application and its database into a repository on another host
  upkeep.runbook.restic_backup:
    repository: sftp:backup@storage:/srv/restic/neurosensefx
    password_file: /etc/upkeep/restic-password
    label: neurosensefx-web01
    host: "{{ inventory_hostname }}"
    init: true
    sources:
      - name: application
        paths: [/opt/neurosensefx]
        exclude: [node_modules]
    dumps:
      - {type: postgresql, database: neurosense}

- name: Back up into a bucket
  upkeep.runbook.restic_backup:
    repository: s3:https://s3.example.com/backups
    password: "{{ vault_restic_password }}"
    environment:
      AWS_ACCESS_KEY_ID: "{{ vault_access_key }}"
      AWS_SECRET_ACCESS_KEY: "{{ vault_secret_key }}"
    label: neurosensefx-web01
    sources:
      - {name: configuration, paths: [/etc/nginx]}
"""

RETURN = r"""
backup:
  description: The backup that was made, or in check mode the one that would be.
  returned: success
  type: dict
  contains:
    path:
      description: The repository.
      type: str
    snapshot:
      description: The id of the snapshot. Null in check mode.
      type: str
    backup_id:
      description: What it is called in its manifest and, as C(backup_id=…), in its tags. Null in check mode.
      type: str
      sample: 20261122T021500Z-1a2b3c4d
    label:
      description: As O(label).
      type: str
    bytes:
      description: What it has added to the repository, before compression. Null in check mode.
      type: int
    members:
      description: How many files and folders it holds.
      type: int
    unpacked_bytes:
      description: Bytes of the contents of its files.
      type: int
    started:
      description: The time of the snapshot, UTC. Null in check mode.
      type: str
    ended:
      description: When it was whole, UTC. Null in check mode.
      type: str
    torn:
      description: Always empty.
      type: list
      elements: str
    skipped:
      description: What is not in it, with C(path) and C(reason); at most 100.
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
      description: The dumps in it, with C(name), C(type), C(database), C(member), C(bytes), C(tool) and C(sha256).
      type: list
      elements: dict
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(backup.create), and C(backup.skipped), a warning when another file system is not in the backup. C(backup.rights) is a warning when
      something in it is refused by restores (O(accept)). Their subject is O(label).
  returned: success
  type: list
  elements: dict
  sample:
    - check: backup.create
      subject: neurosensefx-web01
      status: ok
      summary: >-
        Snapshot 1a2b3c4d was made in sftp:backup@storage:/srv/restic/neurosensefx: 18846 files and folders, 302 MiB, of which 4.1 MiB
        are new.
      value: 4299161
      unit: bytes
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import source_options
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import dump_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.creating import create_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import ACCEPTABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = {"type": "list", "elements": "str"}
    return {
        **OPTIONS,
        "sources": {"type": "list", "elements": "dict", "options": source_options(), "default": []},
        "dumps": {"type": "list", "elements": "dict", "options": dump_options(), "default": []},
        "platform": {"type": "str", "default": ""},
        "git": {**texts, "default": []},
        "services": {**texts, "default": []},
        "init": {"type": "bool", "default": False},
        "accept": {**texts, "choices": list(ACCEPTABLE), "default": []},
        "staging_directory": {"type": "path"},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params["repository"]))
    try:
        result = create_backup(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
