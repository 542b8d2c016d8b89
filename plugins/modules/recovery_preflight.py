#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choose the backup to recover from, and ask everything that can refuse a recovery before anything is touched."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_preflight
version_added: 0.1.0
short_description: Choose the backup to recover a host from, and ask everything that can refuse it
description:
  - Chooses the newest backup that verifies now, or a named one, or the newest that ended before a time. Verifying reads every byte of
    it against its manifest.
  - Says what stands against a recovery (services that nobody could start again, users and programs that are missing, versions that do
    not fit, databases without a dump). Changes nothing.
  - The role P(upkeep.runbook.recovery#role) asks the modules that restore besides, in check mode, about space, mount points, servers,
    and how what is there differs from the backup.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
options:
  platform:
    description: Name of the platform. The backup must be of it.
    type: str
    required: true
  confirm:
    description: What the person who starts the recovery has typed. It must equal O(platform).
    type: str
    default: ""
  host:
    description: Name of the host whose backup it must be. An empty text takes any.
    type: str
    default: ""
  directory:
    description: Folder of the backups. With an empty text no backup is chosen, and only the rest is asked.
    type: str
    default: ""
  pattern:
    description: Shell patterns of their names.
    type: list
    elements: str
    default: []
  backup:
    description: The backup to take, by its path, its file name in O(directory), or its id. Without it the newest that verifies is taken.
    type: str
    default: ""
  before:
    description: Only a backup that had ended by this time counts, in UTC, such as V(2026-11-22T01:43:00Z) or V(2026-11-22).
    type: str
    default: ""
  targets:
    description: Absolute paths that are brought back; a wildcard stands for what the backup has of it.
    type: list
    elements: str
    default: []
  dumps:
    description: Names of the dumps of the databases that are brought back.
    type: list
    elements: str
    default: []
  services:
    description: Services in the order in which they are started.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      unit:
        description: Its unit of systemd.
        type: str
        default: ""
      pm2:
        description: Its application of PM2, when it has no unit.
        type: str
        default: ""
      user:
        description: The user whose PM2 runs it.
        type: str
        default: ""
  unmanaged:
    description: Names of services that nobody knows how to start.
    type: list
    elements: str
    default: []
  kept_running:
    description: Shell patterns of units that keep running, since they show the maintenance page or are databases.
    type: list
    elements: str
    default: []
  users:
    description: Users that must exist on the host.
    type: list
    elements: str
    default: []
  python_modules:
    description: Python modules without which the health of the services cannot be looked at.
    type: list
    elements: str
    default: []
  node_projects:
    description: Folders of Node.js projects that are brought back. With any of them the version of Node.js must fit.
    type: list
    elements: str
    default: []
  configuration_checks:
    description: Commands that say whether the restored configuration is right. That of nginx is added where its folder is a target.
    type: list
    elements: list
    default: []
  maintenance_file:
    description: File that makes the web server show its maintenance page.
    type: str
    default: ""
  other_versions:
    description: Take a backup although Node.js or PostgreSQL have other versions here.
    type: bool
    default: false
  max_ratio:
    description:
      - How many times its size a backup may unpack to, V(1) to V(1000000), as in O(upkeep.runbook.backup_verify#module:max_ratio).
        256 MiB are always allowed. One that unpacks to more is not used.
    type: float
    default: 1100.0
  timeout_seconds:
    description: How long one backup may be read, in seconds.
    type: float
    default: 3600.0
"""

EXAMPLES = r"""
- name: See whether the host could be brought back as it was before a time
  upkeep.runbook.recovery_preflight:
    platform: NeuroSense FX
    confirm: NeuroSense FX
    directory: /opt/backups/neurosensefx
    pattern: [neurosense-fx-app-1_*.tar.zst]
    before: "2026-11-22T01:43:00Z"
    targets: [/opt/neurosensefx]
"""

RETURN = r"""
problems:
  description: What stands against the recovery, in sentences. With an empty list it may begin.
  returned: always
  type: list
  elements: str
  sample: []
notes:
  description: What somebody should know before.
  returned: always
  type: list
  elements: str
plan:
  description: What the recovery does, in sentences.
  returned: always
  type: list
  elements: str
backup:
  description: >-
    The chosen backup with C(path), C(backup_id), C(label), C(platform), C(host), C(started), C(ended), C(bytes) and C(age_seconds); empty
    without one.
  returned: always
  type: dict
passed_over:
  description: Newer backups that do not verify, with C(path) and C(reason).
  returned: always
  type: list
  elements: dict
targets:
  description: The targets that the backup has, with wildcards replaced.
  returned: always
  type: list
  elements: str
dumps:
  description: Names of the dumps to restore, in their order.
  returned: always
  type: list
  elements: str
services:
  description: The services with C(name), C(unit), C(pm2), C(user), C(home), whether they are C(known), C(active), C(kept), C(reloadable).
  returned: always
  type: list
  elements: dict
configuration_checks:
  description: Commands that are to be run when files are back.
  returned: always
  type: list
  elements: list
daemon_reload:
  description: Whether targets hold units of systemd.
  returned: always
  type: bool
maintenance:
  description: Whether the file of the maintenance page can be made.
  returned: always
  type: bool
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(recovery.preflight), critical when there are problems.
    - C(recovery.backup), a warning when newer backups do not verify.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.preflight import look_before
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    text = {"type": "str", "default": ""}
    texts = {"type": "list", "elements": "str", "default": []}
    service = {"name": {"type": "str", "required": True}, "unit": text, "pm2": text, "user": text}
    return {
        "platform": {"type": "str", "required": True},
        "confirm": text,
        "host": text,
        "directory": text,
        "pattern": texts,
        "backup": text,
        "before": text,
        "targets": texts,
        "dumps": texts,
        "services": {"type": "list", "elements": "dict", "options": service, "default": []},
        "unmanaged": texts,
        "kept_running": texts,
        "users": texts,
        "python_modules": texts,
        "node_projects": texts,
        "configuration_checks": {"type": "list", "elements": "list", "default": []},
        "maintenance_file": text,
        "other_versions": {"type": "bool", "default": False},
        "timeout_seconds": {"type": "float", "default": 3600.0},
        "max_ratio": {"type": "float", "default": 1100.0},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = look_before(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
