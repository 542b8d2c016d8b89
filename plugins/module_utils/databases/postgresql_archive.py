# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a dump of pg_dump says of itself: which database of which server it is, and how that was created."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import account_of
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import call_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, fill, unnamed_file
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

_HEADER = re.compile(r"^;\s+(dbname|Dumped from database version): (.*)$", re.MULTILINE)
#: Entries of the database as a whole: how it is created, its owner, rights, settings and comment.
_OF_DATABASE = re.compile(
    r"^\d+; \d+ \d+ (DATABASE |DATABASE PROPERTIES |ACL - DATABASE |COMMENT - DATABASE |SECURITY LABEL - DATABASE )"
)
_CREATE = re.compile(r'CREATE DATABASE (?:"(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)(?P<how> WITH .*)?', re.DOTALL)
#: What a script is made of: quoted names and texts, comments, commands of psql, the end of a statement, all else.
_TOKEN = re.compile(r'''"(?:[^"]|"")*"|'(?:[^']|'')*'|--[^\n]*|\\[^\n]*|;|[^"'\\;-]+|.''', re.DOTALL)
#: Settings of the session that pg_restore would have; an older server does not know all of them.
_OF_SESSION = re.compile(r"SET |SELECT pg_catalog\.set_config\(")


@dataclass(frozen=True)
class Archive:
    """A dump of pg_dump.

    :ivar database: the name it was dumped under.
    :ivar major: major version of the server it comes from.
    :ivar how: what follows the name in ``CREATE DATABASE``: encoding, locale, tablespace.
    :ivar properties: SQL that gives the database, under that name, its owner, rights, settings and comment.
    """

    database: str
    major: int
    how: str
    properties: str


def read_archive(spec: DumpSpec, kept: Kept, deadline: float) -> Archive:
    """Ask pg_restore what a dump is.

    :raises UpkeepError: when it is damaged, or newer than the client.
    """
    hand_over(spec, kept)
    listed = _pg_restore(spec, kept, ["--create", "--list"], deadline)
    header = dict(_HEADER.findall(listed))
    major = re.match(r"\d+", header.get("Dumped from database version", ""))
    entries = [line for line in listed.splitlines() if _OF_DATABASE.match(line)]
    with unnamed_file(None) as descriptor:
        fill(descriptor, ["\n".join([*entries, ""]).encode("utf-8", "surrogateescape")])
        give_to(spec, descriptor)
        arguments = ["--create", "--file=-", f"--use-list=/proc/self/fd/{descriptor}"]
        script = _pg_restore(spec, kept, arguments, deadline, [descriptor])
    return Archive(header.get("dbname", ""), int(major[0]) if major else 0, *_parts(script))


def _parts(script: str) -> tuple[str, str]:
    """Return how the database is created, and what is done to it then."""
    how, properties = "", []
    for statement in statements_of(script):
        created = _CREATE.fullmatch(statement)
        if created:
            how = created["how"] or ""
        elif not _OF_SESSION.match(statement):
            properties.append(f"{statement};\n")
    return how, "".join(properties)


def statements_of(script: str) -> list[str]:
    """Return the statements of a script of pg_restore, without comments and commands of psql."""
    statements: list[str] = []
    parts: list[str] = []
    for token in _TOKEN.findall(script):
        if token == ";":
            statements.append("".join(parts).strip())
            parts = []
        elif not token.startswith(("--", "\\")):
            parts.append(token)
    return [statement for statement in statements if statement]


def _pg_restore(spec: DumpSpec, kept: Kept, arguments: Sequence[str], deadline: float, more: Sequence[int] = ()) -> str:
    result = call_client(
        spec, "restore", "pg_restore", [*arguments, f"/proc/self/fd/{kept.descriptor}"], deadline=deadline,
        descriptors=[kept.descriptor, *more],
    )
    return result.output.decode("utf-8", "surrogateescape")


def hand_over(spec: DumpSpec, kept: Kept) -> None:
    """Let the user that the clients run as read the dump; the file has no name, so nobody else can."""
    give_to(spec, kept.descriptor)


def give_to(spec: DumpSpec, descriptor: int) -> None:
    """Make an open file that of the user that the clients run as.

    :raises UpkeepError: when there is no such user.
    """
    account = account_of(spec.run_as)
    if account is not None:
        os.fchown(descriptor, account.pw_uid, account.pw_gid)


def refuse_newer(spec: DumpSpec, archive: Archive, server_major: int) -> None:
    """Raise when the dump comes from a newer server: its SQL may mean nothing to this one.

    :raises UpkeepError: naming both versions.
    """
    if archive.major > server_major:
        raise UpkeepError(
            f"cannot restore the {spec.shown}: the dump comes from PostgreSQL {archive.major} and the server is "
            f"PostgreSQL {server_major}; restore it to a server of version {archive.major} or later"
        )
