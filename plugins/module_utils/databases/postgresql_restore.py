# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a PostgreSQL database: into a new one beside it, then exchanged for the old one in a single transaction."""

from __future__ import annotations

import os

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_archive import (
    Archive,
    give_to,
    read_archive,
    refuse_newer,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import (
    MAINTENANCE_DATABASE,
    call_client,
    connection_string,
    identifier,
    literal,
    psql,
    server_version,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts, Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, free_in
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

_MOST_JOBS = 4
_FORCE_SINCE = 13

#: Renames a database whoever uses it. The rename itself keeps new connections waiting and waits for those that end, up to
#: five seconds; who slipped in between is ended in the next turn.
_RENAME = """
BEGIN
  FOR turn IN 1..6 LOOP
    BEGIN
      PERFORM pg_stat_clear_snapshot();
      PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {old_text} AND pid <> pg_backend_pid();
      EXECUTE {statement};
      RETURN;
    EXCEPTION WHEN object_in_use THEN
      IF turn = 6 THEN RAISE; END IF;
    END;
  END LOOP;
END
"""


class PostgresqlRestorer(Restorer):
    """One database of PostgreSQL."""

    #: SQL that gives the restored database its owner, rights and settings once it has its name.
    _properties = ""

    def look(self, kept: Kept) -> Facts:
        archive = read_archive(self.spec, kept, self.deadline)
        server = server_version(self.spec, doing="restore", deadline=self.deadline)
        refuse_newer(self.spec, archive, server)
        self.existed = self._exists(self.spec.database)
        room, place = free_bytes(self.spec, self.deadline)
        return Facts(exists=self.existed, server=f"PostgreSQL {server}", free_bytes=room, free_in=place, need_bytes=kept.look.bytes)

    def stage(self, kept: Kept) -> None:
        archive = read_archive(self.spec, kept, self.deadline)
        self._properties = archive.properties if self.keep_owners and archive.database == self.spec.database else ""
        load(self.spec, kept, archive, self.staged_name, self.deadline, keep_owners=self.keep_owners)

    def swap(self) -> None:
        name = self.spec.database
        script = _rename(name, self.previous_name) if self._exists(name) else ""
        self._transaction(script + _rename(self.staged_name, name) + self._properties)

    def has_previous(self) -> bool:
        return self._exists(self.previous_name)

    def put_back(self) -> None:
        name = self.spec.database
        if self._exists(self.undone_name):
            return
        aside, back = self._exists(name), self._exists(self.previous_name)
        script = (_rename(name, self.undone_name) if aside else "") + (_rename(self.previous_name, name) if back else "")
        self._transaction(script)

    def is_swapped(self) -> bool:
        self._transaction("")
        # The names tell, since all of them change in one transaction.
        if self.existed:
            return self._exists(self.previous_name)
        return self._exists(self.spec.database) and not self._exists(self.staged_name)

    def discard_stage(self) -> None:
        drop(self.spec, self.staged_name, self.deadline)

    def drop_undone(self) -> None:
        drop(self.spec, self.undone_name, self.deadline)

    def drop_previous(self) -> None:
        drop(self.spec, self.previous_name, self.deadline)

    def _exists(self, database: str) -> bool:
        return exists(self.spec, database, self.deadline)

    def _transaction(self, script: str) -> None:
        # The psql of a run that was killed may still be at work: the lock, which ends with a transaction, waits for it. It
        # prints nothing, since nobody may be there to read it.
        lock = f"DO 'BEGIN PERFORM pg_advisory_xact_lock({int(self.restore_id, 16)}); END';\n"
        psql(
            self.spec, f"BEGIN;\n{lock}{script}\nCOMMIT;\n", database=MAINTENANCE_DATABASE, doing="exchange", deadline=self.deadline
        )


def free_bytes(spec: DumpSpec, deadline: float) -> tuple[int | None, str]:
    """Return the free bytes where the server keeps its data, and where that is, when it is on this host.

    :raises UpkeepError: when the server does not answer.
    """
    if spec.host and not spec.host.startswith("/"):
        return None, ""
    rows = psql(spec, "SHOW data_directory;", database=MAINTENANCE_DATABASE, doing="restore", deadline=deadline)
    directory = rows[0][0] if rows else ""
    free = free_in(directory)
    return free, directory if free is not None else ""


def load(spec: DumpSpec, kept: Kept, archive: Archive, name: str, deadline: float, *, keep_owners: bool) -> None:
    """Restore a dump into a new database.

    :param name: of the new database.
    :param keep_owners: tables keep their owners and rights; their roles have to be there.
    :raises UpkeepError: when it cannot be created or does not load; what was loaded is then removed.
    """
    how = archive.how or " WITH TEMPLATE = template0"
    psql(spec, f"CREATE DATABASE {identifier(name)}{how};", database=MAINTENANCE_DATABASE, doing="restore", deadline=deadline)
    try:
        give_to(spec, kept.descriptor)
        arguments = [
            "--exit-on-error", "--no-password", f"--jobs={min(_MOST_JOBS, os.cpu_count() or 1)}",
            f"--dbname={connection_string(name)}", *([] if keep_owners else ["--no-owner", "--no-privileges"]),
            f"/proc/self/fd/{kept.descriptor}",
        ]
        call_client(spec, "restore", "pg_restore", arguments, deadline=deadline, descriptors=[kept.descriptor])
        # Without statistics the first queries are slow, and a service that waits for them is taken for a broken one.
        psql(spec, "ANALYZE;", database=name, doing="restore", deadline=deadline)
    except BaseException:
        drop(spec, name, deadline, quietly=True)
        raise


def exists(spec: DumpSpec, database: str, deadline: float) -> bool:
    """Tell whether the server has a database.

    :raises UpkeepError: when it does not answer.
    """
    question = f"SELECT 1 FROM pg_database WHERE datname ={literal(database)};"
    return bool(psql(spec, question, database=MAINTENANCE_DATABASE, doing="restore", deadline=deadline))


def drop(spec: DumpSpec, database: str, deadline: float, *, quietly: bool = False) -> None:
    """Remove a database, with who is connected to it.

    :param quietly: raise nothing: something else went wrong already, and the next run removes it.
    :raises UpkeepError: when the server refuses.
    """
    try:
        force = " WITH (FORCE)" if server_version(spec, doing="remove", deadline=deadline) >= _FORCE_SINCE else ""
        statement = f"DROP DATABASE IF EXISTS {identifier(database)}{force};"
        psql(spec, statement, database=MAINTENANCE_DATABASE, doing="remove", deadline=deadline)
    except UpkeepError:
        if not quietly:
            raise


def _rename(old: str, new: str) -> str:
    statement = f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)}"
    body = _RENAME.format(old_text=literal(old), statement=literal(statement))
    return f"DO{literal(body)};\n"
