# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of authorized keys: moved aside into a folder of root, and put back as they were.

They lie in folders of the account, which may be hostile: nothing below the home is followed when it is a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class KeyFile:
    """A file that was moved aside.

    :ivar path: where it was.
    :ivar stored: its name in the folder of root; a random one, since its contents are kept as they are.
    """

    path: str
    stored: str
    sha256: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int


class Unsafe(Exception):
    """A file cannot be moved or put back safely; the message is a part of a sentence."""


def places(patterns: list[str], name: str, uid: int, home: str) -> list[str]:
    """Return the paths of files of keys; ``%u`` is the account, ``%U`` its number, ``%h`` its home, ``%%`` a percent sign."""
    tokens = {"%%": "%", "%h": home, "%u": name, "%U": str(uid)}
    found = []
    for pattern in patterns:
        path = re.sub(r"%[%huU]", lambda match: tokens[match[0]], pattern)
        found.append(path if path.startswith("/") else f"{home.rstrip('/')}/{path}")
    return list(dict.fromkeys(found))


def read_key_file(path: str, home: str) -> tuple[bytes, os.stat_result] | None:
    """Return the contents of a file of keys and what it is, or None when there is none.

    :raises Unsafe: when it, or a folder below the home, is something else than a file or a folder.
    """
    try:
        with open_folder(path, home) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise as_unsafe(path, exc) from exc
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Unsafe(f"{plain(path, 300)} is no file")
    with open(descriptor, "rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Unsafe(f"{plain(path, 300)} holds more than {MAX_BYTES} bytes")
    return content, status


def store(path: str, content: bytes, status: os.stat_result, folder: Path) -> KeyFile:
    """Keep a copy in the folder of root and return what is known of the original, which stays where it is.

    :raises UpkeepError: when it cannot be written.
    """
    make_private_directory(folder)
    name = secrets.token_hex(8)
    write_atomically(folder / name, content)
    return KeyFile(
        path, name, hashlib.sha256(content).hexdigest(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns
    )


def take_away(key_file: KeyFile, home: str) -> None:
    """Remove a file that was stored; when it is gone already there is nothing to do.

    :raises Unsafe: when it holds something else by now, or cannot be removed, as when it is immutable.
    """
    found = read_key_file(key_file.path, home)
    if found is None:
        return
    if hashlib.sha256(found[0]).hexdigest() != key_file.sha256:
        raise Unsafe(f"{plain(key_file.path, 300)} was changed just now")
    try:
        with open_folder(key_file.path, home) as (folder, name):
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise as_unsafe(key_file.path, exc) from exc


def put_back(key_file: KeyFile, home: str, stored: Path) -> bool:
    """Put a file back as it was; return False when it is there already, with the same contents.

    :raises Unsafe: when another file has its place, or its folder is gone.
    :raises UpkeepError: when the copy is lost or damaged.
    """
    present = read_key_file(key_file.path, home)
    if present is not None:
        if hashlib.sha256(present[0]).hexdigest() == key_file.sha256:
            return False
        raise Unsafe(f"{plain(key_file.path, 300)} is another file by now and was left; the old one is {stored / key_file.stored}")
    try:
        content = (stored / key_file.stored).read_bytes()
    except OSError as exc:
        raise UpkeepError(f"cannot read {stored / key_file.stored}: {exc.strerror}") from exc
    if hashlib.sha256(content).hexdigest() != key_file.sha256:
        raise UpkeepError(f"{stored / key_file.stored} is not what was stored; {plain(key_file.path, 300)} was not put back")
    try:
        with open_folder(key_file.path, home) as (folder, name):
            _place(folder, name, content, key_file)
    except OSError as exc:
        raise as_unsafe(key_file.path, exc) from exc
    return True


def _place(folder: int, name: str, content: bytes, key_file: KeyFile) -> None:
    temporary = f".upkeep-{secrets.token_hex(8)}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(descriptor, key_file.uid, key_file.gid)
            os.fchmod(descriptor, key_file.mode)
            os.utime(descriptor, ns=(key_file.mtime_ns, key_file.mtime_ns))
            os.fsync(descriptor)
        # A link takes no place that is taken.
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)


@contextmanager
def open_folder(path: str, home: str) -> Iterator[tuple[int, str]]:
    """Open the folder of a path, without following links below the home, and yield it with the last name.

    :raises OSError: when there is none, or a link is in the way; :func:`as_unsafe` says it in words.
    :raises Unsafe: when it is no path of a file.
    """
    root = home.rstrip("/")
    inside = path.startswith(f"{root}/")
    start = root or "/" if inside else os.path.dirname(path)
    *folders, name = path[len(root) + 1 :].split("/") if inside else [os.path.basename(path)]
    if not name or name in (".", "..") or ".." in folders:
        raise Unsafe(f"{plain(path, 300)} is no path of a file")
    descriptor = os.open(start, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor, name
    finally:
        os.close(descriptor)


def as_unsafe(path: str, exc: OSError) -> Unsafe:
    """Return what stands against using a file, in words."""
    if exc.errno in (errno.ELOOP, errno.ENOTDIR):
        return Unsafe(f"{plain(path, 300)} is a link, or lies behind one")
    if exc.errno == errno.EPERM:
        return Unsafe(f"{plain(path, 300)} cannot be used ({exc.strerror}); it may be immutable (lsattr)")
    return Unsafe(f"{plain(path, 300)} cannot be used ({exc.strerror})")
