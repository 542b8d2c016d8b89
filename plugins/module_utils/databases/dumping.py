# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dump a database, whatever its type, as a stream of bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.databases import mysql_dump, postgresql_dump, redis_dump, sqlite_dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import options as types
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.contents import DumpLook
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


@dataclass(frozen=True)
class DumpInfo:
    """What was dumped.

    :ivar tool: what made the dump, with its version.
    :ivar bytes: how many bytes went into the sink.
    """

    tool: str
    bytes: int


def dump(
    spec: DumpSpec, sink: Callable[[bytes], None], deadline: float, *, directory: str | None = None
) -> DumpInfo:
    """Stream the dump of a database into ``sink``. What came before an error is no dump.

    :param sink: takes the bytes as they come; what it raises ends the client and is raised on.
    :param deadline: moment of ``time.monotonic()`` at which it has to be done.
    :param directory: on whose file system a client may keep a copy aside (SQLite, Redis); None means ``/var/tmp``.
    :raises UpkeepError: in words: a client is missing or failed, the server refuses or does not answer, the dump is empty
        or cut off, the time is over.
    """
    if time.monotonic() > deadline:
        raise UpkeepError(f"cannot dump the {spec.shown}: the time is over; raise timeout_seconds")
    look = DumpLook()

    def watched(chunk: bytes) -> None:
        look.add(chunk)
        sink(chunk)

    tool = _dump(spec, watched, deadline, directory)
    problem = look.problem(spec.type)
    if problem:
        raise UpkeepError(f"cannot dump the {spec.shown}: {tool.split(' ')[0]} said that it was done, but its dump {problem}")
    return DumpInfo(tool, look.bytes)


def _dump(spec: DumpSpec, sink: Callable[[bytes], None], deadline: float, directory: str | None) -> str:
    if spec.type == types.POSTGRESQL:
        return postgresql_dump.dump_database(spec, sink, deadline)
    if spec.type == types.POSTGRESQL_GLOBALS:
        return postgresql_dump.dump_globals(spec, sink, deadline)
    if spec.type == types.MYSQL:
        return mysql_dump.dump_database(spec, sink, deadline)
    if spec.type == types.SQLITE:
        return sqlite_dump.dump_database(spec, sink, deadline, directory)
    return redis_dump.dump_data(spec, sink, deadline, directory)
