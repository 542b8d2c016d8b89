# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of databases as members: kept aside first, since a member begins with its size."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.packing import GuardedFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import FILE
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.steady_reading import LargeFile
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import Found
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.dumping import dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


class KeptDumps:
    """Dumps in files without names, on the file system of the backups: nothing of them is left, whatever ends the process.

    They are made before the first file is read: what a database refers to was there when it was dumped, and a dump that fails
    ends the backup before an hour was spent on files.

    :ivar members: the dumps.
    :ivar rows: what the manifest says about each.
    """

    def __init__(self) -> None:
        self.members: list[Found] = []
        self.rows: list[dict[str, Any]] = []

    def make(self, specs: Sequence[DumpSpec], folder: str, reserve_bytes: int, deadline: float) -> None:
        """Make all dumps.

        :param reserve_bytes: so much room is to stay on the file system of the folder.
        :raises UpkeepError: when one cannot be made or kept.
        """
        for spec in specs:
            descriptor = _unnamed_file(folder)
            try:
                info = dump(spec, GuardedFile(descriptor, reserve_bytes).write, deadline, directory=folder)
            except OSError as exc:
                os.close(descriptor)
                raise UpkeepError(f"cannot keep the dump of the {spec.shown} in {folder}: {exc.strerror}; make room") from exc
            except BaseException:
                os.close(descriptor)
                raise
            contents = LargeFile(descriptor)
            self.members.append(Found(spec.member, FILE, contents.status, "", contents))
            self.rows.append(
                {
                    "name": spec.name, "type": spec.type, "database": spec.database or spec.path, "member": spec.member,
                    "bytes": info.bytes, "tool": info.tool,
                }
            )

    def close(self) -> None:
        """Let go of what was not written."""
        for found in self.members:
            if isinstance(found.contents, LargeFile):
                found.contents.close()


def _unnamed_file(folder: str) -> int:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())
