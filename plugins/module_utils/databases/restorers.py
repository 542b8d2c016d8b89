# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which restorer a database has."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.databases import options as types
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_restore import MysqlRestorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_globals import GlobalsRestorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_restore import PostgresqlRestorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_restore import RedisRestorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restore_journal import journal_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.sqlite_restore import SqliteRestorer

_RESTORERS: dict[str, type[Restorer]] = {
    types.POSTGRESQL: PostgresqlRestorer,
    types.POSTGRESQL_GLOBALS: GlobalsRestorer,
    types.MYSQL: MysqlRestorer,
    types.SQLITE: SqliteRestorer,
    types.REDIS: RedisRestorer,
}


def restorer_of(spec: DumpSpec, restore_id: str, deadline: float, state_directory: str, *, keep_owners: bool = True) -> Restorer:
    """Return the restorer of a database.

    :param restore_id: eight hexadecimal digits.
    :param state_directory: of the host; the restorer keeps its files beside the journals.
    """
    folder = str(journal_directory(state_directory))
    return _RESTORERS[spec.type](spec, restore_id, deadline, folder, keep_owners=keep_owners)
