#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Note what a recovery is about to do, or read what the last one has done."""

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_record
version_added: 0.1.0
short_description: Note what a recovery of this host does, so that the next run knows
description:
  - A recovery notes that it has begun before it exchanges anything; M(upkeep.runbook.backup_restore) and
    M(upkeep.runbook.database_restore) keep what they exchange under the same O(run_id). When it is killed, the next one finds that and
    puts back what was left half done. When it has ended well, the playbook C(rollback) finds what to take back.
  - The record is bookkeeping. Writing it never counts as a change.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - Refuses in check mode as it would otherwise, and writes nothing.
  diff_mode:
    support: N/A
    details:
      - The record is bookkeeping.
  idempotent:
    support: full
options:
  phase:
    description:
      - V(read) only reads.
      - V(begun) before the first exchange, V(recovered) when all is well, V(undone) when everything was put back, V(rolled_back) when the
        recovery was taken back later.
    type: str
    choices: [read, begun, recovered, undone, rolled_back]
    default: read
  run_id:
    description: Id of the recovery, C(YYYYMMDDTHHMMSSZ-) and eight hexadecimal digits. Required unless O(phase=read).
    type: str
    default: ""
  playbook:
    description: Name of the procedure.
    type: str
    default: ""
  backup:
    description: What is restored, the path of an archive or a snapshot.
    type: str
    default: ""
  state_directory:
    description: State directory of the host. It is created with mode 0700 when it does not exist.
    type: path
    default: /var/lib/upkeep
"""

EXAMPLES = r"""
- name: Note what is about to be exchanged
  upkeep.runbook.recovery_record:
    phase: begun
    run_id: "{{ platform_run_id }}"
    playbook: disaster_recovery
    backup: /opt/backups/neurosensefx/neurosense-fx-app-1_20261122T013000Z.tar.zst
"""

RETURN = r"""
record:
  description: The record as it stands; empty when this host was never recovered.
  returned: always
  type: dict
  sample:
    run_id: 20261122T050000Z-1a2b3c4d
    playbook: disaster_recovery
    phase: recovered
    started: "2026-11-22T05:00:03Z"
    changed: "2026-11-22T05:01:40Z"
    backup: /opt/backups/neurosensefx/neurosense-fx-app-1_20261122T013000Z.tar.zst
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.record import PHASES, plan_record, read_record, write_record
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    texts = ("run_id", "playbook", "backup")
    return {
        "phase": {"type": "str", "choices": ["read", *PHASES], "default": "read"},
        **{name: {"type": "str", "default": ""} for name in texts},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
    }


def note(params: dict[str, Any], *, check_mode: bool) -> dict[str, str]:
    """Read the record, and write it unless only reading was asked for; return it."""
    record = read_record(params["state_directory"])
    if params["phase"] != "read":
        record = plan_record(record, params, utc_now())
        if not check_mode:
            write_record(params["state_directory"], record)
    return record


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        record = note(module.params, check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, record=record)


if __name__ == "__main__":
    main()
