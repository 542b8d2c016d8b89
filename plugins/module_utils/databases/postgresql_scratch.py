# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A scratch database of PostgreSQL."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_archive import read_archive, refuse_newer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import (
    MAINTENANCE_DATABASE,
    psql,
    server_version,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_restore import drop, free_bytes, load
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import (
    ScratchDatabase,
    is_leftover,
    refuse_without_room,
    scratch_name,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept

#: Counts the rows of every table in one answer, whatever the tables are called.
_COUNTS = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', n.nspname, c.relname), false, true, '')))[1]::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
ORDER BY 1;
"""


class PostgresqlScratch(ScratchDatabase):
    """A scratch database of PostgreSQL."""

    @classmethod
    def restored(cls, spec: DumpSpec, kept: Kept, deadline: float) -> PostgresqlScratch:
        """Return a new one that holds what the dump restores to.

        :raises UpkeepError: when it does not load.
        """
        archive = read_archive(spec, kept, deadline)
        refuse_newer(spec, archive, server_version(spec, doing="restore", deadline=deadline))
        refuse_without_room(spec, kept, *free_bytes(spec, deadline))
        names = psql(spec, "SELECT datname FROM pg_database;", database=MAINTENANCE_DATABASE, doing="restore", deadline=deadline)
        for row in names:
            if is_leftover(row[0], spec.database):
                drop(spec, row[0], deadline)
        name = scratch_name(spec.database)
        load(spec, kept, archive, name, deadline, keep_owners=False)
        return cls(spec, name, deadline)

    def query(self, sql: str) -> list[list[str]]:
        return psql(self.spec, sql, database=self.name, doing="query", deadline=self.deadline)

    def counts(self) -> dict[str, int]:
        return {row[0]: int(row[1]) for row in self.query(_COUNTS) if len(row) == 2 and row[1].isdigit()}

    def drop(self) -> None:
        drop(self.spec, self.name, self.deadline)
