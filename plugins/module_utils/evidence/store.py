# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of one collection on the report host: what arrives is checked, kept under safe names, and never changed again."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import slug
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.kernel_calls import sync_file_system

MANIFEST = "manifest.json"
#: What is there so far, for a collection that does not come to its end.
PROGRESS = "artifacts.jsonl"

#: More than any answer has.
MAX_PIECE_BYTES = 64 * 1024 * 1024
_MAX_NAME = 80
_PLAIN_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Damaged(UpkeepError):
    """What arrived is not what was sent."""


class NotStored(UpkeepError):
    """The report host cannot take more."""


def collection_id(now: datetime) -> str:
    """Return a new id, which sorts by time."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def host_folder(host: str) -> str:
    """Return the name of the folder of a host."""
    return host if _PLAIN_HOST.fullmatch(host) and not host.startswith("custody.") else slug(host)


def safe_name(name: bytes | str) -> str:
    """Return what is safe in a name of a file, whatever it was; the manifest has the real one."""
    text = name if isinstance(name, str) else os.fsdecode(name)
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:_MAX_NAME].lstrip(".") or "_"


def unpacked(piece: Mapping[str, Any]) -> bytes:
    """Return the bytes of a piece.

    :raises Damaged: when they are not those that the host read.
    """
    size, digest = piece.get("bytes"), piece.get("sha256")
    if not isinstance(size, int) or not 0 <= size <= MAX_PIECE_BYTES or not isinstance(digest, str):
        raise Damaged("a piece arrived without a size and checksum that can be")
    try:
        # No more than was announced, whatever is in it.
        data = zlib.decompressobj().decompress(base64.b64decode(str(piece.get("data")), validate=True), size + 1)
    except (ValueError, zlib.error):
        raise Damaged("a piece arrived damaged") from None
    if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
        raise Damaged("a piece arrived with another checksum than it was sent with")
    return data


@dataclass
class Artifact:
    """A file of the collection while it is written."""

    descriptor: int
    row: dict[str, Any]
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def append(self, piece: Mapping[str, Any]) -> None:
        """Check a piece and keep it.

        :raises Damaged: when it is not what was sent; nothing is kept of it.
        :raises NotStored: when there is no room.
        """
        data = unpacked(piece)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self.descriptor, view):]
        except OSError as exc:
            raise NotStored(f"cannot write {self.row['stored']}: {exc.strerror}") from exc
        self.digest.update(data)
        self.row["chunks"].append({"offset": self.size, "bytes": len(data), "sha256": piece["sha256"]})
        self.size += len(data)

    def end(self) -> dict[str, Any]:
        """Close the file and return its row of the manifest."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        self.row.update(bytes=self.size, sha256=self.digest.hexdigest())
        return self.row


class Store:
    """The folder ``<directory>/<incident>/<host>/<collection>``.

    :ivar path: where it is.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self._number = 0
        self._progress = -1

    def create(self) -> None:
        """Make it.

        :raises NotStored: when that is not possible.
        """
        try:
            for parent in (self.path.parents[2], self.path.parents[1], self.path.parent):
                make_private_directory(parent)
            self.path.mkdir(mode=0o700)
            self._progress = os.open(self.path / PROGRESS, _FLAGS, 0o600)
        except OSError as exc:
            raise NotStored(f"cannot create {self.path}: {exc.strerror}") from exc

    def open(self, item: str, name: bytes | str, source: Mapping[str, Any]) -> Artifact:
        """Begin a file.

        :param item: what it belongs to, which is the folder that it is in.
        :param name: the name that it has on the host, from which a safe one is made.
        :param source: where it comes from, for the manifest.
        """
        self._number += 1
        stored = f"{item}/{self._number:06d}-{safe_name(name)}"
        try:
            (self.path / item).mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path / stored, _FLAGS, 0o600)
        except OSError as exc:
            raise NotStored(f"cannot write {stored}: {exc.strerror}") from exc
        return Artifact(descriptor, {"item": item, "stored": stored, **source, "chunks": []})

    def note(self, row: Mapping[str, Any]) -> None:
        """Note a file that is whole, for the case that the collection does not come to its end."""
        try:
            os.write(self._progress, json.dumps(row).encode("ascii") + b"\n")
        except OSError:
            pass  # a full disk: the next file says so, and the manifest has all of them

    def finish(self, manifest: Mapping[str, Any]) -> str:
        """Write the manifest when everything else is on the disk, and return its SHA-256."""
        content = json.dumps(manifest, indent=1).encode("ascii") + b"\n"
        try:
            # One call for thousands of files. Whoever finds a manifest finds all of them after a power cut too.
            sync_file_system(self._progress)
            os.close(self._progress)
            write_atomically(self.path / MANIFEST, content)
        except OSError as exc:
            raise NotStored(f"cannot write {self.path}: {exc.strerror}") from exc
        except UpkeepError as exc:
            raise NotStored(exc.message) from exc
        return hashlib.sha256(content).hexdigest()
