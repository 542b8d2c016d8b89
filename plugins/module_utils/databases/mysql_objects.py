# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a schema of MySQL or MariaDB holds, and its views, triggers, routines and events as SQL."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import (
    DUMP_PROGRAMS,
    ask,
    call_client,
    identifier,
    literal,
    program_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_dump import dump_arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec

_QUESTION = """
SELECT IF(table_type = 'VIEW', 'VIEW', 'TABLE'), table_name FROM information_schema.tables WHERE table_schema = {schema};
SELECT 'TRIGGER', trigger_name FROM information_schema.triggers WHERE trigger_schema = {schema};
SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = {schema};
SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = {schema};
"""


@dataclass(frozen=True)
class Objects:
    """What a schema holds.

    :ivar tables: names of what can change its schema: tables and sequences.
    :ivar views: names.
    :ivar others: kind and name of triggers, routines and events.
    """

    tables: list[str]
    views: list[str]
    others: list[tuple[str, str]]


def objects_of(spec: DumpSpec, schema: str, deadline: float) -> Objects:
    """Ask what a schema holds; one that is not there holds nothing.

    :raises UpkeepError: when the server does not answer.
    """
    rows = ask(spec, _QUESTION.format(schema=literal(schema)), doing="look at", deadline=deadline)
    found = sorted((row[0], row[1]) for row in rows if len(row) == 2)
    return Objects(
        [name for kind, name in found if kind == "TABLE"],
        [name for kind, name in found if kind == "VIEW"],
        [(kind, name) for kind, name in found if kind not in ("TABLE", "VIEW")],
    )


def dump_objects(spec: DumpSpec, schema: str, objects: Objects, deadline: float) -> bytes:
    """Return SQL that makes all but the tables of a schema again, whether they are there or not.

    :raises UpkeepError: when the client fails.
    """
    if not objects.views and not objects.others:
        return b""
    program = program_of(spec, DUMP_PROGRAMS)
    version = call_client(spec, "dump", program, ["--version"], deadline=deadline).output.decode("utf-8", "replace")
    arguments = [*dump_arguments(version), "--no-data", "--add-drop-trigger"]
    script = call_client(
        spec, "dump", program, [*arguments, "--no-create-info", "--", schema], deadline=deadline
    ).output
    if objects.views:
        only = [argument for argument in arguments if argument not in ("--routines", "--events", "--triggers")]
        views = call_client(spec, "dump", program, [*only, "--skip-triggers", "--", schema, *objects.views], deadline=deadline)
        script += views.output
    return script


def removals(schema: str, objects: Objects) -> str:
    """Return SQL that removes all but the tables of a schema."""
    every = [*objects.others, *(("VIEW", name) for name in objects.views)]
    return "".join(f"DROP {kind} IF EXISTS {identifier(schema)}.{identifier(name)};\n" for kind, name in every)
