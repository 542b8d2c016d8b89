"""Backups that hold dumps, as backup_create packs them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import ManifestWriter, Member


def archive_of(path: Path, dumps: Mapping[str, bytes], *, listed: Mapping[str, bytes] | None = None, manifest: bool = True) -> Path:
    """Write a backup with dumps.

    :param dumps: the contents of each by its name.
    :param listed: what the manifest says of them, when that is something else.
    """
    writer = ManifestWriter()
    with tarfile.open(path, "w:gz", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in dumps.items():
            told = (listed or dumps)[name]
            writer.add(Member(f"dumps/{name}", "file", size=len(told), sha256=hashlib.sha256(told).hexdigest(), mode=0o600))
            _add(archive, f"dumps/{name}", data)
        if manifest:
            header = {"backup_id": "20261122T014356Z-1a2b3c4d", "label": "test"}
            _add(archive, "manifest.json", b"".join(writer.chunks(header)))
    writer.close()
    return path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
