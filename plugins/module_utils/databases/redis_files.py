# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a Redis server keeps its data."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

DEFAULT_DIRECTORY = "/var/lib/redis"


@dataclass(frozen=True)
class DataFiles:
    """The files of a server.

    :ivar directory: where they are.
    :ivar dump: name of the RDB file.
    :ivar log: name of the append-only file of versions before 7; later ones take one of that name for their own beginning.
    :ivar log_directory: name of the folder of append-only files of version 7 and later.
    :ivar logs: the server keeps an append-only file, and then does not read the RDB file.
    :ivar active: the server ran before it was stopped.
    """

    directory: str
    dump: str = "dump.rdb"
    log: str = "appendonly.aof"
    log_directory: str = "appendonlydir"
    logs: bool = False
    active: bool = True

    @property
    def names(self) -> tuple[str, str, str]:
        """The names of all that the server may load."""
        return (self.dump, self.log, self.log_directory)


def find_files(spec: DumpSpec, deadline: float) -> DataFiles:
    """Return where the server keeps its data; where it does not answer, the usual names in ``data_directory``.

    :raises UpkeepError: when that is no folder, or the server keeps something under a name that leads elsewhere.
    """
    said: dict[str, str] = {}
    try:
        for name in ("dir", "dbfilename", "appendonly", "appendfilename", "appenddirname"):
            lines = ask(spec, ["CONFIG", "GET", name], doing="look at", deadline=deadline)
            said.update(zip(lines[::2], lines[1::2]))
    except UpkeepError:
        pass  # it is down, or does not tell
    directory = said.get("dir") or spec.data_directory or DEFAULT_DIRECTORY
    found = DataFiles(
        directory, said.get("dbfilename", "dump.rdb"), said.get("appendfilename", "appendonly.aof"),
        said.get("appenddirname", "appendonlydir"),
    )
    if not os.path.isdir(directory):
        raise UpkeepError(f"cannot restore the {spec.shown}: {directory} is no folder; give data_directory")
    if any("/" in name or name in ("", ".", "..") for name in found.names):
        raise UpkeepError(f"cannot restore the {spec.shown}: its configuration names files outside of {directory}")
    there = any(os.path.lexists(os.path.join(directory, name)) for name in (found.log, found.log_directory))
    logs = said["appendonly"] == "yes" if "appendonly" in said else there
    return DataFiles(found.directory, found.dump, found.log, found.log_directory, logs)


def note_files(path: Path, files: DataFiles) -> None:
    """Write down where the data are, for a run that finds the server stopped."""
    write_atomically(path, json.dumps(asdict(files)).encode())


def noted_files(path: Path) -> DataFiles | None:
    """Return what was written down, or None.

    :raises UpkeepError: when it cannot be read.
    """
    try:
        return DataFiles(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        raise UpkeepError(f"cannot read {path} ({type(exc).__name__}), which says where Redis keeps its data") from None
