"""Archives to be restored, trees to restore them over, and calls of the restore as the module makes them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.restoring import restore_backup

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=timezone.utc)
OPTIONS: dict[str, Any] = {
    "path": None, "target": None, "from": None, "inside": None, "sources": None, "members": None, "preserve": None,
    "verify": "content", "manifest": "optional", "accept": [], "owners": "names", "keep_previous": 1, "state": "restored",
    "id": None, "of_run": None, "timeout_seconds": 60.0, "max_ratio": 200.0, "max_members": None, "max_decoder_bytes": 83886080,
    "state_directory": None, "run_id": None, "lock_wait_seconds": 0.0,
}


def restore(state_directory: Path, *, check_mode: bool = False, diff_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Restore, or put back, with the defaults of the module."""
    given = {**OPTIONS, "state_directory": str(state_directory), **options}
    return restore_backup(given, now=NOW, check_mode=check_mode, diff_mode=diff_mode)


def member(
    name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member of a tar archive; names may hold surrogates for bytes that are not UTF-8."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.mtime, info.size = kind, mode, target, 1_790_000_000, len(data)
    info.uid, info.gid = os.getuid(), os.getgid()
    return info, data


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=kind, target=target)


def write_tar(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.GNU_FORMAT) -> Path:
    """Write a tar archive, packed as its name says."""
    mode = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(path.suffix, "w")
    with tarfile.open(path, mode, format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def tree(root: Path, files: dict[str, str]) -> Path:
    """Make a directory with text files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def looks(root: Path, but: Sequence[str] = ()) -> dict[str, tuple[Any, ...]]:
    """Return what a tree is like: kind, rights, owner, time and contents of everything in it, by path."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in [b".", *folders, *files]:
            path = os.path.normpath(os.path.join(folder, name))
            status = os.lstat(path)
            shown = os.path.relpath(path, os.fsencode(root)).decode("utf-8", "backslashreplace")
            if shown in but:
                continue
            if stat.S_ISLNK(status.st_mode):
                held: Any = os.readlink(path)
            else:
                held = Path(os.fsdecode(path)).read_bytes() if stat.S_ISREG(status.st_mode) else None
            found[shown] = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, held)
    return found


def staging_left(folder: Path) -> list[str]:
    """Return the names of staging directories in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".upkeep-restore-"))
