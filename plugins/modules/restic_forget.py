#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forget old snapshots of restic, and never the newest one that is known to be good."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restic_forget
version_added: 0.1.0
short_description: Forget old snapshots of restic, and never the newest one that is known to be good
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Keeps the snapshots of one label of one host that a policy names, forgets the others, and removes what only they needed.
  - The rules are those of M(upkeep.runbook.backup_prune), decided here and not by restic. What is known to be good is what
    M(upkeep.runbook.restic_verify) looked at with C(remember=true). The newest good snapshot and all that are newer stay
    whatever the policy says. Without a good one nothing is forgotten. Snapshots dated in the future stay and take no place.
  - Snapshots that do not count, since their backup failed or was killed, are forgotten by M(upkeep.runbook.restic_backup).
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
  - upkeep.runbook.keep
  - upkeep.runbook.restic
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  protect:
    description: Ids of snapshots or of backups that stay in any case, such as the one that was just made.
    type: list
    elements: str
    default: []
  prune:
    description:
      - Remove data that no snapshot needs any more (C(restic prune)). It may take long, and nobody else can work in the repository
        meanwhile. V(false) leaves that to another time or host.
    type: bool
    default: true
  tags:
    description:
      - Tags that a snapshot must have to be looked at. By default those that M(upkeep.runbook.restic_backup) gives to O(label).
    type: list
    elements: str
  run_id:
    description: The id of this run, which a second run is told meanwhile.
    type: str
seealso:
  - module: upkeep.runbook.restic_verify
  - module: upkeep.runbook.backup_prune
"""

EXAMPLES = r"""
- name: Keep a week of days, a month of weeks and a year of months
  upkeep.runbook.restic_forget:
    repository: sftp:backup@storage:/srv/restic/neurosensefx
    password_file: /etc/upkeep/restic-password
    label: neurosensefx-web01
    host: "{{ inventory_hostname }}"
    keep_daily: 7
    keep_weekly: 4
    keep_monthly: 12
"""

RETURN = r"""
status:
  description: The status of the check.
  type: str
  returned: success
  sample: ok
checks:
  description:
    - C(backup.prune), whose subject is O(label). It is V(unknown) when no snapshot is known to be good and nothing was forgotten,
      and V(warning) when snapshots are dated in the future.
  type: list
  elements: dict
  returned: success
  sample:
    - check: backup.prune
      subject: neurosensefx-web01
      status: ok
      summary: 12 of 13 snapshots in sftp:backup@storage:/srv/restic/neurosensefx are kept, 1 forgotten.
      value: 12
      unit: count
      warning: null
      critical: null
kept:
  description: The snapshots that stay, newest first; at most 1000 unless O(return_all).
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The repository and, behind C(#), the first digits of the snapshot.
      type: str
    created:
      description: When it was made, UTC.
      type: str
    state:
      description: What is known of it, V(good), V(unread) or V(damaged).
      type: str
    reasons:
      description: Why it stays, such as V(daily 2026-11-22), V(newest verified) or V(dated in the future).
      type: list
      elements: str
removed:
  description: The snapshots that were forgotten, or would be in check mode, oldest first; as RV(kept) without the reasons.
  type: list
  elements: dict
  returned: success
  sample: []
pruned:
  description: Whether data that no snapshot needs was removed.
  type: bool
  returned: success
totals:
  description: How many C(backups) there were, and how many were C(kept), C(removed) and are C(verified).
  type: dict
  returned: success
  sample: {backups: 13, kept: 12, removed: 1, verified: 12}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pruning import keep_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.forgetting import forget_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        **OPTIONS,
        **keep_options(),
        "protect": {"type": "list", "elements": "str", "default": []},
        "prune": {"type": "bool", "default": True},
        "tags": {"type": "list", "elements": "str"},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params["repository"]))
    try:
        result = forget_backups(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
