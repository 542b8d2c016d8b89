# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes that Debian's package manager explains: files that are what a package brought since the baseline was accepted.

dpkg keeps the MD5 of each file of a package, and of its configuration files as delivered. It keeps no modes, owners or targets of
links, so that a change of these is never explained. Who is root can forge what dpkg keeps; this is for less noise, no proof.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.findings import ADDED, CHANGED, Change

DPKG = Path("/var/lib/dpkg")

#: What may differ of a file that a package replaced.
_CONTENT = {"sha256", "size"}
_MERGED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK_BYTES = 256 * 1024


def explain(changes: Iterable[Change], *, since: datetime, dpkg: Path = DPKG) -> str:
    """Set ``explained_by`` of each change that a package explains.

    :param since: when the baseline was accepted.
    :param dpkg: the folder in which dpkg keeps what it knows.
    :return: why nobody could tell, or ''.
    """
    wanted: dict[str, list[Change]] = {}
    for change in changes:
        if _may_be_explained(change):
            wanted.setdefault(_unmerged(change.path.lstrip("/")), []).append(change)
    if not wanted:
        return ""
    try:
        for package, path, md5 in _claims(dpkg, wanted, since.timestamp()):
            for change in wanted[path]:
                if not change.explained_by and _md5_of(change) == md5:
                    change.explained_by = package
    except FileNotFoundError:
        return f"there is no {dpkg}"
    except OSError as exc:
        return f"{exc.filename} cannot be read ({exc.strerror})"
    return ""


def _may_be_explained(change: Change) -> bool:
    record = change.after
    if record is None or not record.is_file or not record.sha256:
        return False
    if change.kind == ADDED:
        return not record.runs_with_rights_of_others
    return change.kind == CHANGED and set(change.differences) <= _CONTENT


def _unmerged(path: str) -> str:
    """Return a path as packages from before the merge of /bin into /usr/bin spell it; for comparing."""
    return path[4:] if path.startswith("usr/") and path[4:].startswith(_MERGED) else path


def _claims(dpkg: Path, wanted: dict[str, list[Change]], since: float) -> Iterator[tuple[str, str, str]]:
    """Yield (package, path, MD5) of each wanted path that belongs to a package that was unpacked since then."""
    newer = set()
    for entry in os.scandir(dpkg / "info"):
        package, _dot, kind = entry.name.rpartition(".")
        if kind == "list" and entry.stat(follow_symlinks=False).st_mtime > since:
            newer.add(package)
    for package in sorted(newer):
        sums = _bytes_of(dpkg / "info" / f"{package}.md5sums")
        for line in sums.splitlines():
            md5, _space, path = os.fsdecode(line).partition("  ")
            if _unmerged(path) in wanted:
                yield package, _unmerged(path), md5
    yield from _configuration(dpkg / "status", newer, wanted)


def _configuration(status: Path, newer: set[str], wanted: dict[str, list[Change]]) -> Iterator[tuple[str, str, str]]:
    package = architecture = ""
    for line in _bytes_of(status).decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("Package: "):
            package = line[9:]
        elif line.startswith("Architecture: "):
            architecture = line[14:]
        elif line.startswith(" /") and newer & {package, f"{package}:{architecture}"}:
            path, _space, md5 = line[2:].partition(" ")
            if _unmerged(path) in wanted:
                yield package, _unmerged(path), md5.split(" ")[0]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return b""
        raise


def _md5_of(change: Change) -> str:
    """Return the MD5 of a file that still has the size that was hashed; '' when it is another one by now."""
    record = change.record
    try:
        descriptor = os.open(record.path, _FLAGS)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ""
        md5, sha256 = hashlib.new("md5", usedforsecurity=False), hashlib.sha256()
        left = record.size + 1  # one that has grown to a hole of any size has an end, too
        while left > 0:
            try:
                data = stream.read(min(_CHUNK_BYTES, left))
            except OSError:
                return ""
            if not data:
                break
            left -= len(data)
            md5.update(data)
            sha256.update(data)
    # The very content that differs from the baseline, so that nobody shows another file to each of us.
    return md5.hexdigest() if sha256.hexdigest() == record.sha256 else ""
