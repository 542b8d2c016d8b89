# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dump PostgreSQL with its own clients: a database in the format of pg_restore, the globals as SQL."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import (
    MAINTENANCE_DATABASE,
    call_client,
    connection_string,
)


def dump_database(spec: DumpSpec, sink: Callable[[bytes], None], deadline: float) -> str:
    """Stream the dump of a database; return the program that made it.

    :raises UpkeepError: when it fails, in words.
    """
    # Compressed by the backup, which does it better and with all processors.
    arguments = ["--format=custom", "--compress=0", "--no-password", f"--dbname={connection_string(spec.database)}"]
    call_client(spec, "dump", "pg_dump", arguments, deadline=deadline, sink=sink)
    return _version(spec, "pg_dump", deadline)


def dump_globals(spec: DumpSpec, sink: Callable[[bytes], None], deadline: float) -> str:
    """Stream the roles and tablespaces of a server, with the hashes of passwords; return the program that made it.

    :raises UpkeepError: when it fails, in words.
    """
    arguments = ["--globals-only", "--no-password", f"--database={MAINTENANCE_DATABASE}"]
    call_client(spec, "dump", "pg_dumpall", arguments, deadline=deadline, sink=sink)
    return _version(spec, "pg_dumpall", deadline)


def _version(spec: DumpSpec, program: str, deadline: float) -> str:
    result = call_client(spec, "dump", program, ["--version"], deadline=deadline)
    return result.output.decode("utf-8", "replace").strip().replace("(PostgreSQL) ", "")
