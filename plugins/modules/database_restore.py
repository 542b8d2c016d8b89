#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore databases from a backup, keep what was there before, and put it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
version_added: 0.1.0
short_description: Restore databases from a backup and keep what was there before
description:
  - Takes dumps out of a backup of M(upkeep.runbook.backup_create) and restores each beside the present data. Only when all of
    them were loaded do they take the place of the present data, which are kept. When anything fails, all databases are as
    they were before.
  - In V(postgresql) both databases are renamed in one transaction, for which all connections to the database are ended.
  - In V(mysql) the tables of both schemas are renamed in one statement. Views, triggers, routines and events follow.
  - The file of V(sqlite) is exchanged in one step. Nobody may have it open.
  - V(redis) is stopped for the exchange of its files, started again, and has to answer.
  - V(postgresql_globals) are restored before databases, which need their roles. What is missing is made, and what is there is
    set as in the dump, passwords included. A role that a restore made is not removed when it is put back.
  - What a run leaves that was killed is completed or cleaned up by the next one.
  - A dump is code that the server runs as its superuser. Restore only backups that nobody else could write.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.dumps
attributes:
  check_mode:
    support: full
    details:
      - Reads the backup, looks into its dumps and asks the servers, as it does before it changes anything. Whether a dump loads
        is only known when it was loaded; level V(drill) of M(upkeep.runbook.backup_verify) does that.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Each run with O(state=restored) restores again.
options:
  path:
    description: The backup. Required for O(state=restored).
    type: path
  state:
    description:
      - V(restored) restores the dumps of O(dumps) from O(path).
      - V(previous) puts the data back that were there before a restore. What was restored is set aside.
      - V(dropped_previous) removes what a restore keeps.
    type: str
    choices: [restored, previous, dropped_previous]
    default: restored
  id:
    description:
      - Which restore O(state=previous) and O(state=dropped_previous) mean, as in RV(id). By default the newest that holds any of
        O(dumps).
    type: str
  of_run:
    description:
      - The run whose restore O(state=previous) and O(state=dropped_previous) mean, by the O(run_id) that it gave. A run that has restored
        nothing, or whose restore was taken back already, changes nothing.
      - A run that was killed did not live to see RV(id); this finds what it has done.
    type: str
  owners:
    description:
      - Whether what is restored to PostgreSQL gets its owners and rights; their roles have to be on the server then.
      - Otherwise all of it belongs to the user who restores it.
    type: bool
    default: true
  keep_previous:
    description:
      - For how many restores of the same databases the previous data are kept, V(0) to V(100). Older ones are removed after a
        restore that succeeded.
    type: int
    default: 1
  timeout_seconds:
    description: How long all of it may take, V(1) to V(86400) seconds.
    type: float
    default: 3600.0
  state_directory:
    description: Folder of the lock, the journals and what is kept beside them. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another acting run on this host, V(0) to V(86400) seconds.
    type: float
    default: 0.0
  run_id:
    description: Id of the run, which a second run is told while this one works, and by which O(of_run) finds what it did.
    type: str
seealso:
  - module: upkeep.runbook.backup_verify
"""

EXAMPLES = r"""
- name: Restore a database with the roles of its server
  upkeep.runbook.database_restore:
    path: /opt/backups/neurosensefx/neurosense-fx-backend_20261122T014356Z.tar.zst
    dumps:
      - {type: postgresql_globals}
      - {type: postgresql, database: neurosense}
  register: restored

- name: Put back what was there before
  upkeep.runbook.database_restore:
    state: previous
    id: "{{ restored.id }}"
    dumps:
      - {type: postgresql_globals}
      - {type: postgresql, database: neurosense}
"""

RETURN = r"""
id:
  description: Id of the restore, eight hexadecimal digits.
  returned: success
  type: str
  sample: 1a2b3c4d
restored:
  description: The databases that were restored, or would be in check mode; with other states those that the state was set for.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the dump.
      type: str
    type:
      description: Its type.
      type: str
    database:
      description: The name or the file of the database.
      type: str
    previous:
      description: Where the data are kept that were there before; null when there were none, or they are not kept.
      type: str
    existed:
      description: Whether there were data before.
      type: bool
    server:
      description: What answered.
      type: str
    bytes:
      description: Bytes of the dump.
      type: int
    seconds:
      description: How long it took to restore it.
      type: float
  sample:
    - name: postgresql-neurosense.pgdump
      type: postgresql
      database: neurosense
      previous: neurosense_previous_1a2b3c4d
      existed: true
      server: PostgreSQL 15
      bytes: 7340032
      seconds: 2.418
repaired:
  description: What was done about restores whose run was killed, in words.
  returned: success
  type: list
  elements: str
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description: C(database.restore) for each database; its value is how many seconds the restore took.
  returned: success
  type: list
  elements: dict
  sample:
    - check: database.restore
      subject: PostgreSQL database neurosense
      status: ok
      summary: The PostgreSQL database neurosense was restored from a dump of 7340032 bytes in 2.4 s; its previous data are
        kept as neurosense_previous_1a2b3c4d.
      value: 2.418
      unit: seconds
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import dump_options
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restoring import restore_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "path": {"type": "path"},
        "dumps": {"type": "list", "elements": "dict", "options": dump_options(), "default": []},
        "state": {"type": "str", "choices": ["restored", "previous", "dropped_previous"], "default": "restored"},
        "id": {"type": "str"},
        "of_run": {"type": "str"},
        "owners": {"type": "bool", "default": True},
        "keep_previous": {"type": "int", "default": 1},
        "timeout_seconds": {"type": "float", "default": 3600.0},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
        "run_id": {"type": "str"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = restore_databases(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
