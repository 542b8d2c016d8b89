# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a dump into a database of its own, to see that it can be restored, and remove it again."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

from ansible_collections.upkeep.runbook.plugins.module_utils.databases import options as types
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept, kept_aside
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: A scratch database that is older was left by a run that was killed.
LEFTOVER_SECONDS = 86_400
#: A database with its indexes, as a multiple of its dump, on the safe side.
_ROOM = 2


class ScratchDatabase(ABC):
    """A database that holds what a dump restores to. Leaving the ``with`` block removes it.

    :ivar spec: the database that was dumped.
    :ivar name: what the scratch database is called, or an empty text.
    """

    def __init__(self, spec: DumpSpec, name: str, deadline: float) -> None:
        self.spec = spec
        self.name = name
        self.deadline = deadline

    def __enter__(self) -> ScratchDatabase:
        return self

    def __exit__(self, *_error: object) -> None:
        self.drop()

    @abstractmethod
    def query(self, sql: str) -> list[list[str]]:
        """Run SQL in it and return the rows of the answer, every value as text.

        :raises UpkeepError: when it is refused.
        """

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Return how many rows each table has (for Redis: how many keys there are).

        :raises UpkeepError: when it cannot be asked.
        """

    @abstractmethod
    def drop(self) -> None:
        """Remove it.

        :raises UpkeepError: when that could not be done.
        """


def restore_scratch(
    spec: DumpSpec, chunks: Iterable[bytes], deadline: float, *, directory: str | None = None
) -> ScratchDatabase:
    """Restore a dump into a new database beside the one it was made of, without owners and rights.

    :param chunks: the dump; all of it is read.
    :param deadline: moment of ``time.monotonic()`` at which the restore, and every later question, has to be done.
    :param directory: on whose file system the dump is kept aside (and the database of SQLite made); None: ``/var/tmp``.
    :raises UpkeepError: in words, when it cannot be restored; nothing of it is left then.
    """
    with kept_aside(chunks, directory) as kept:
        problem = kept.look.problem(spec.type)
        if problem:
            raise UpkeepError(f"the dump {spec.name} {problem}")
        return _restore(spec, kept, deadline, directory)


def _restore(spec: DumpSpec, kept: Kept, deadline: float, directory: str | None) -> ScratchDatabase:
    if spec.type == types.POSTGRESQL:
        from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_scratch import PostgresqlScratch

        return PostgresqlScratch.restored(spec, kept, deadline)
    if spec.type == types.MYSQL:
        from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_scratch import MysqlScratch

        return MysqlScratch.restored(spec, kept, deadline)
    if spec.type == types.SQLITE:
        from ansible_collections.upkeep.runbook.plugins.module_utils.databases.sqlite_scratch import SqliteScratch

        return SqliteScratch.restored(spec, kept, deadline, directory)
    if spec.type == types.REDIS:
        from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_scratch import RedisScratch

        return RedisScratch.restored(spec, kept, deadline, directory)
    raise UpkeepError(f"a dump of type {spec.type} changes its server and cannot be tried beside it")


def refuse_without_room(spec: DumpSpec, kept: Kept, free: int | None, place: str) -> None:
    """Raise when what is tried might fill the disk of a server that people use.

    :param free: free bytes in ``place``, or None when nobody here can tell.
    :raises UpkeepError: naming both.
    """
    needed = _ROOM * kept.look.bytes
    if free is not None and free < needed:
        raise UpkeepError(
            f"cannot try the dump of the {spec.shown}: {place} has {free / 2**20:.0f} MiB free, and {needed / 2**20:.0f} MiB "
            "may be needed beside the present data; make room"
        )


def scratch_name(database: str) -> str:
    """Return a name for a scratch database; its end says when it was made."""
    return f"{database}_drill_{int(time.time()):08x}"


def is_leftover(name: str, database: str) -> bool:
    """Tell whether a scratch database of ``database`` is older than any run."""
    found = re.fullmatch(re.escape(database) + r"_drill_([0-9a-f]{8})", name)
    return found is not None and time.time() - int(found[1], 16) > LEFTOVER_SECONDS
