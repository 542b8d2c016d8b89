"""Backups in our format, written by Python's own tarfile: an archive, its manifest inside and the one beside it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import (
    MEMBER_NAME,
    ManifestWriter,
    Member,
    sidecar_path,
)

OWNER: dict[str, Any] = {"uid": 1000, "gid": 33, "user": "app", "group": "www-data"}
BACKUP_ID = "20261122T014356Z-0a1b2c3d"
STARTED = "2026-11-22T01:43:56Z"
HEADER: dict[str, Any] = {
    "backup_id": BACKUP_ID, "label": "app", "platform": "App", "host": "web1", "started": STARTED, "ended": "2026-11-22T01:44:10Z",
    "metadata": {}, "sources": [{"name": "application", "paths": ["/opt/app"], "exclude": []}], "excluded": [], "skipped": [],
    "dumps": [],
}
_KINDS = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}

#: The members and what the files hold.
Held = Sequence["tuple[Member, bytes]"]


class Backup(NamedTuple):
    path: Path
    sidecar: Path


def file(name: str, data: bytes, *, mode: int = 0o644, mtime_ns: int = 1_790_000_000_123_456_789, **keys: Any) -> tuple[Member, bytes]:
    digest = hashlib.sha256(data).hexdigest()
    return Member(name, "file", len(data), digest, mode=mode, mtime_ns=mtime_ns, source="application", **{**OWNER, **keys}), data


def other(name: str, kind: str, target: str = "") -> tuple[Member, bytes]:
    mtime_ns = 1_790_000_000_000_000_000
    return Member(name, kind, target=target, mode=0o755, mtime_ns=mtime_ns, source="application", **OWNER), b""


def application(size: int = 4000) -> list[tuple[Member, bytes]]:
    """Return a small application: folders, text, noise, nothing, links, names and times that few have."""
    noise = random.Random(7)
    dump = Member("dumps/main", "file", 2000, "", mode=0o600, mtime_ns=1_790_000_000_000_000_000, **OWNER)
    data = noise.randbytes(2000)
    return [
        other("files/opt/app", "directory"),
        file("files/opt/app/package.json", b'{"name": "ticks", "version": "1.0.0"}\n'),
        file("files/opt/app/server.js", b"const ws = require('ws');\n" * (size // 26), torn=True),
        file("files/opt/app/logo.png", noise.randbytes(size), mode=0o4755),
        file("files/opt/app/.env", b"", mtime_ns=5),
        file("files/opt/app/" + "deep/" * 60 + "file.txt", b"at the end of a long path\n"),
        file("files/opt/app/caf\u00e9\udcff.md", b"Caf\n" * 20, user="r\u00e9mi"),
        other("files/opt/app/current", "symlink", "/nowhere/" + "x" * 120),
        other("files/opt/app/hard", "hardlink", "files/opt/app/package.json"),
        (dump._replace(sha256=hashlib.sha256(data).hexdigest()), data),
    ]


def tar_of(held: Iterable[tuple[Member, bytes]], manifest: bytes | None) -> bytes:
    """Return the archive before it is compressed; ustar, with PAX headers only where ustar cannot say it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as archive:
        for member, data in held:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname, info.size, info.mode = _KINDS[member.type], member.target, len(data), member.mode
            info.uid, info.gid, info.uname, info.gname = member.uid, member.gid, member.user, member.group
            info.mtime = member.mtime_ns // 1_000_000_000
            archive.addfile(info, io.BytesIO(data))
        if manifest is not None:
            info = tarfile.TarInfo(MEMBER_NAME)
            info.size, info.mode = len(manifest), 0o600
            archive.addfile(info, io.BytesIO(manifest))
    return buffer.getvalue()


def compress(kind: str, data: bytes) -> bytes:
    if kind == "tar.gz":
        return gzip.compress(data, 6, mtime=0)
    if kind == "tar.zst":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def write_backup(
    directory: Path,
    kind: str = "tar.gz",
    held: Held | None = None,
    *,
    listed: Held | None = None,
    inside: Callable[[bytes], bytes | None] = bytes,
    name: str = "app_20261122T014356Z",
    **header: Any,
) -> Backup:
    """Write a backup.

    :param listed: what the manifest lists, when that is something else than what is held.
    :param inside: changes the manifest inside, or leaves it out.
    :param header: further keys of the header, or other values.
    """
    held = application() if held is None else held
    dumps = [{"name": one.name[6:], "type": "sqlite", "member": one.name, "bytes": one.size} for one, _data in held if "dumps/" in one.name]
    keys = {**HEADER, "dumps": dumps, **header}
    writer = ManifestWriter()
    for member, _data in held if listed is None else listed:
        writer.add(member)
    archive = compress(kind, tar_of(held, inside(b"".join(writer.chunks(keys)))))
    path = directory / f"{name}.{kind}"
    path.write_bytes(archive)
    beside = {"name": path.name, "bytes": len(archive), "sha256": hashlib.sha256(archive).hexdigest()}
    sidecar = Path(sidecar_path(os.fspath(path)))
    sidecar.write_bytes(b"".join(writer.chunks({**keys, "archive": beside})))
    writer.close()
    return Backup(path, sidecar)
