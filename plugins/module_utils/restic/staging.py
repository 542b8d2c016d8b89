# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The private folder from which dumps and the manifest go into a snapshot, beside the sources themselves.

Dumps come first and as files, so that one that fails leaves no snapshot. The folder has always the same place, since restic
looks for what has not changed in the last snapshot of the same paths.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MEMBER_NAME, ManifestWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.dumping import dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

DUMPS = "dumps"
_FOLDER = "restic-staging"
_PATHS = "paths"


def staging_path(state_directory: str) -> str:
    """Return where the folder is."""
    return os.path.join(state_directory, _FOLDER)


class Staging:
    """The folder while one backup is made.

    :ivar path: where it is; restic runs in it, so that its files are called as in an archive.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._holds: list[str] = []

    def dump_all(self, specs: Sequence[DumpSpec], deadline: float) -> list[dict[str, Any]]:
        """Dump the databases; return a row of the manifest for each.

        :raises UpkeepError: when one fails, or there is no room.
        """
        rows = []
        if specs:
            self._holds.append(DUMPS)
            make_private_directory(Path(self.path, DUMPS))
        for spec in specs:
            rows.append(self._dump(spec, deadline))
        return rows

    def _dump(self, spec: DumpSpec, deadline: float) -> dict[str, Any]:
        path = os.path.join(self.path, spec.member)
        checksum = hashlib.sha256()
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as stream:

                def take(chunk: bytes) -> None:
                    checksum.update(chunk)
                    stream.write(chunk)

                info = dump(spec, take, deadline, directory=self.path)
        except OSError as exc:
            raise UpkeepError(f"cannot keep the dump {spec.name} in {self.path}: {exc.strerror}; make room and start again") from exc
        return {
            "name": spec.name, "type": spec.type, "database": spec.database or spec.path, "member": spec.member,
            "bytes": info.bytes, "tool": info.tool, "sha256": checksum.hexdigest(),
        }

    def write_manifest(self, header: Mapping[str, Any]) -> None:
        """Write the manifest: as that of an archive, without members, which restic has itself.

        :raises UpkeepError: when it cannot be written.
        """
        writer = ManifestWriter(self.path)
        try:
            write_atomically(Path(self.path, MEMBER_NAME), b"".join(writer.chunks(header)))
        finally:
            writer.close()
        self._holds.append(MEMBER_NAME)

    def write_paths(self, roots: Sequence[str]) -> str:
        """Write what is backed up for restic to read, and return where: names may be no UTF-8."""
        path = Path(self.path, _PATHS)
        names = [*roots, *self._holds]
        write_atomically(path, b"".join(os.fsencode(name) + b"\0" for name in names))
        return str(path)


@contextmanager
def staging_folder(state_directory: str) -> Iterator[Staging]:
    """Give an empty private folder, and remove it afterwards; what a killed run left in it goes before.

    Under the host's lock only.

    :raises UpkeepError: when it cannot be made.
    """
    path = staging_path(state_directory)
    _remove(path)
    make_private_directory(Path(path))
    try:
        yield Staging(path)
    finally:
        _remove(path)


def _remove(path: str) -> None:
    try:
        if os.path.islink(path):
            raise UpkeepError(f"{path} is a link; remove it")
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise UpkeepError(f"cannot remove {path}, which holds dumps: {exc.strerror}") from exc
