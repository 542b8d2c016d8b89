# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dump a database of MySQL or MariaDB with the server's own client, as of one moment, without locking anybody out."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import (
    DUMP_PROGRAMS,
    ask,
    call_client,
    literal,
    program_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: Our own last line: the client does not note what a new database has to be created with.
SCHEMA_LINE = b"-- upkeep.runbook: character set %b collation %b\n"


def dump_database(spec: DumpSpec, sink: Callable[[bytes], None], deadline: float) -> str:
    """Stream the dump of a database; return the program that made it.

    :raises UpkeepError: when it fails, in words.
    """
    rows = ask(
        spec,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        f"WHERE schema_name = {literal(spec.database)};",
        doing="dump", deadline=deadline,
    )
    if not rows or len(rows[0]) != 2:
        raise UpkeepError(f"cannot dump the {spec.shown}: there is no such database, or {spec.user or 'the user'} may not see it")
    program = program_of(spec, DUMP_PROGRAMS)
    version = call_client(spec, "dump", program, ["--version"], deadline=deadline).output.decode("utf-8", "replace").strip()
    call_client(spec, "dump", program, [*dump_arguments(version), "--", spec.database], deadline=deadline, sink=sink)
    sink(SCHEMA_LINE % (rows[0][0].encode("ascii", "replace"), rows[0][1].encode("ascii", "replace")))
    return " ".join(version.rsplit("/", 1)[-1].split())


def dump_arguments(version: str) -> list[str]:
    """Return the options of the client.

    :param version: what it says of itself: MySQL's own knows options that MariaDB's does not.
    """
    arguments = [
        "--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob",
        "--default-character-set=utf8mb4", "--no-tablespaces",
    ]
    return arguments if "MariaDB" in version else [*arguments, "--set-gtid-purged=OFF"]
