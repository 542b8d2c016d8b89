#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_prune
short_description: Remove old backups, and never the newest one that is known to be good
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Keeps the backups in a folder that a policy names and removes the others, the oldest first, each with the manifest beside it.
  - What is known to be good is what M(upkeep.runbook.backup_verify) read to its end with C(remember=true). The newest good backup and all
    that are newer stay whatever the policy says. Without a good one nothing is removed.
  - Damaged backups take no place of a good one.
  - Backups that are dated in the future stay and take no place, and a long gap between two backups counts like an ordinary one, so that a
    clock that jumped or a host that was off for months removes nothing.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
  - upkeep.runbook.keep
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  directory:
    description: Folder with the backups, as an absolute path.
    type: path
    required: true
  pattern:
    description:
      - Shell patterns of their names. All that fit are one kind of backups and make one history; nothing else is touched.
      - V(app_*.tar.zst) fits the backups of a label C(app_test) too, which would push those of C(app) out;
        V(app_????????T??????Z.tar.zst) does not.
    type: list
    elements: str
    required: true
  name:
    description: What these backups are called in results. By default the folder and the first pattern.
    type: str
  protect:
    description: Absolute paths of backups, or of links to them, that stay in any case, such as the one that was just made.
    type: list
    elements: path
    default: []
  state_directory:
    description: Folder of the lock of the host and of the record of verified backups.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another acting run on the host, V(0) to V(86400), in seconds.
    type: float
    default: 0.0
  run_id:
    description: The id of this run, which a second run is told meanwhile.
    type: str
seealso:
  - module: upkeep.runbook.backup_verify
"""

EXAMPLES = r"""
- name: Verify the newest backup
  upkeep.runbook.backup_verify:
    directory: /opt/backups/neurosensefx
    pattern: neurosense-fx-app-1_*.tar.zst
    remember: true

- name: Keep a week of days, a month of weeks and a year of months
  upkeep.runbook.backup_prune:
    directory: /opt/backups/neurosensefx
    pattern: neurosense-fx-app-1_????????T??????Z.tar.zst
    keep_daily: 7
    keep_weekly: 4
    keep_monthly: 12
"""

RETURN = r"""
status:
  description: The status of the check.
  type: str
  returned: always
  sample: ok
checks:
  description:
    - C(backup.prune). It is V(unknown) when no backup is known to be good and nothing was removed, or when nobody could look, and V(warning)
      when backups are dated in the future.
  type: list
  elements: dict
  returned: always
  sample:
    - check: backup.prune
      subject: neurosense-fx-app-1
      status: ok
      summary: 12 of 13 backups in /opt/backups/neurosensefx are kept, 1 removed (12.3 MiB).
      value: 12
      unit: count
      warning: null
      critical: null
kept:
  description: The backups that stay, newest first; at most 1000 unless O(return_all).
  type: list
  elements: dict
  returned: always
  contains:
    path:
      description: The file.
      type: str
    created:
      description: When it was made, UTC.
      type: str
    bytes:
      description: Its size.
      type: int
    state:
      description: What is known of it, V(good), V(unread) or V(damaged).
      type: str
    reasons:
      description: Why it stays, such as V(daily 2026-11-22), V(newest verified) or V(dated in the future).
      type: list
      elements: str
removed:
  description: The backups that were removed, or would be in check mode, oldest first; as RV(kept) without the reasons.
  type: list
  elements: dict
  returned: always
  sample: []
removed_manifests:
  description: Names of manifests that were removed since their backup was gone already.
  type: list
  elements: str
  returned: always
  sample: []
bytes_freed:
  description: The sizes of the removed backups together.
  type: int
  returned: always
  sample: 12901744
totals:
  description: How many C(backups) there were, and how many were C(kept), C(removed) and are C(verified).
  type: dict
  returned: always
  sample: {backups: 13, kept: 12, removed: 1, verified: 12}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pruning import keep_options
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.removing import prune_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "directory": {"type": "path", "required": True},
        "pattern": {"type": "list", "elements": "str", "required": True},
        "name": {"type": "str"},
        **keep_options(),
        "protect": {"type": "list", "elements": "path", "default": []},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = prune_backups(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
