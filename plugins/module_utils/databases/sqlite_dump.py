# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dump a SQLite database through its backup API: whole and of one moment, while others write to it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import chunks_of, roomy_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_PAGES = 4096
_BUSY_SECONDS = 30.0
PREFIX, SUFFIX = ".upkeep-sqlite-", ".new"
_LEFTOVER_SECONDS = 86_400.0


def dump_database(spec: DumpSpec, sink: Callable[[bytes], None], deadline: float, directory: str | None) -> str:
    """Stream a copy of a database; return what made it.

    :param directory: on whose file system the copy is made.
    :raises UpkeepError: when there is no such database, it is damaged, or there is no room.
    """
    import sqlite3

    if not os.path.isfile(spec.path):
        raise UpkeepError(f"cannot dump the {spec.shown}: there is no such file")
    try:
        descriptor = _copy(spec.path, deadline, directory or roomy_directory())
    except (sqlite3.Error, OSError) as exc:
        raise UpkeepError(f"cannot dump the {spec.shown}: {plain(str(exc), 200)}") from None
    try:
        for chunk in chunks_of(descriptor):
            sink(chunk)
    finally:
        os.close(descriptor)
    return f"sqlite {sqlite3.sqlite_version}"


def _copy(path: str, deadline: float, directory: str) -> int:
    """Return the descriptor of a copy that has no name any more."""
    import sqlite3
    from urllib.parse import quote

    def watch(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > deadline:
            raise OSError("it was not done in time; raise timeout_seconds")

    remove_leftovers(directory)
    source = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    with closing(source), tempfile.TemporaryDirectory(prefix=PREFIX, suffix=SUFFIX, dir=directory) as folder:
        # The snapshot is taken here; without it a busy writer would make the copy begin anew for ever.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        name = os.path.join(folder, "copy")
        with closing(sqlite3.connect(name, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")
            source.backup(copy, pages=_PAGES, progress=watch)
        # Nobody else knows the copy, so that it is read without a lock or a log beside it.
        with closing(sqlite3.connect(f"file:{quote(name)}?immutable=1", uri=True)) as copy:
            found = [str(row[0]) for row in copy.execute("PRAGMA quick_check(3)")]
            if found != ["ok"]:
                raise OSError(f"it is damaged: {'; '.join(found)}")
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)


def remove_leftovers(directory: str) -> None:
    """Remove the copies of runs that were killed; SQLite needs a name while it writes one."""
    for entry in os.scandir(directory):
        if entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX):
            status = entry.stat(follow_symlinks=False)
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _LEFTOVER_SECONDS:
                shutil.rmtree(entry.path, ignore_errors=True)
