# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load a dump of MySQL or MariaDB into a new schema."""

from __future__ import annotations

import re

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask, identifier, literal, run_script
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, chunks_of, free_in
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

_SCHEMA_LINE = re.compile(rb"-- upkeep\.runbook: character set ([A-Za-z0-9_]+) collation ([A-Za-z0-9_]+)\s*\Z")
_SERVER_LINE = re.compile(rb"^-- Server version\s+(\S+)", re.MULTILINE)
#: A dump with one of these writes to other databases than the one that is asked for. Data never begin a line so.
_ELSEWHERE = re.compile(rb"\n(?:/\*!\d+ )?(?:USE `|CREATE DATABASE )")
_OVERLAP = 40


def refuse_elsewhere(spec: DumpSpec, kept: Kept) -> None:
    """Raise when a dump chooses its databases itself: it would write over the present data.

    :raises UpkeepError: saying how to make another one.
    """
    before = b"\n"
    for chunk in chunks_of(kept.descriptor):
        if _ELSEWHERE.search(before + chunk):
            raise UpkeepError(
                f"cannot restore the {spec.shown}: its dump was made with --databases and names the database it goes to; "
                "make it without that option"
            )
        before = chunk[-_OVERLAP:]


def server_of(spec: DumpSpec, deadline: float) -> tuple[str, int | None, str]:
    """Return the version of the server, the free bytes where it keeps its data, and where that is, when it is on this host.

    :raises UpkeepError: when it does not answer.
    """
    rows = ask(spec, "SELECT VERSION(), @@datadir;", doing="restore", deadline=deadline)
    version, directory = (rows[0][0], rows[0][1]) if rows and len(rows[0]) == 2 else ("", "")
    free = free_in(directory) if not spec.host or spec.host.startswith("/") else None
    return version, free, directory if free is not None else ""


def schema_options(spec: DumpSpec, schema: str, deadline: float) -> str | None:
    """Return character set and collation of a schema as ``CREATE DATABASE`` takes them, or None when it is not there.

    :raises UpkeepError: when the server does not answer.
    """
    rows = ask(
        spec,
        "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
        f"WHERE schema_name = {literal(schema)};",
        doing="look at", deadline=deadline,
    )
    return f" CHARACTER SET {rows[0][0]} COLLATE {rows[0][1]}" if rows and len(rows[0]) == 2 else None


def load(spec: DumpSpec, kept: Kept, name: str, deadline: float) -> None:
    """Load a dump into a new schema.

    :raises UpkeepError: when it cannot be made or the dump does not load; what was loaded is then removed.
    """
    found = _SCHEMA_LINE.search(kept.look.tail)
    options = f" CHARACTER SET {found[1].decode()} COLLATE {found[2].decode()}" if found else ""
    ask(spec, f"CREATE DATABASE {identifier(name)}{options};", doing="restore", deadline=deadline)
    try:
        run_script(spec, kept.descriptor, doing="restore", deadline=deadline, database=name)
    except UpkeepError as exc:
        _drop_quietly(spec, name, deadline)
        raise UpkeepError(exc.message + _versions(spec, kept, deadline)) from None
    except BaseException:
        _drop_quietly(spec, name, deadline)
        raise


def _versions(spec: DumpSpec, kept: Kept, deadline: float) -> str:
    """Return where the dump comes from, when that is another version: it may be why it does not load."""
    theirs = _SERVER_LINE.search(kept.look.head)
    try:
        ours = ask(spec, "SELECT VERSION();", doing="restore", deadline=deadline)[0][0]
    except (UpkeepError, IndexError):
        return ""
    if not theirs or theirs[1].decode("ascii", "replace") == ours:
        return ""
    return f". The dump comes from a server of version {theirs[1].decode('ascii', 'replace')}, this one is {ours}"


def drop(spec: DumpSpec, schema: str, deadline: float) -> None:
    """Remove a schema, if it is there.

    :raises UpkeepError: when the server refuses.
    """
    ask(spec, f"DROP DATABASE IF EXISTS {identifier(schema)};", doing="remove", deadline=deadline)


def _drop_quietly(spec: DumpSpec, schema: str, deadline: float) -> None:
    try:
        drop(spec, schema, deadline)
    except UpkeepError:
        pass  # something else went wrong already, and the next run removes it
