# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file of settings that belongs to somebody else: read and replaced by root without being led to another file.

Whoever owns the folder may exchange the file for a link at any moment. So the folder is opened once, component by component and over no
link, and everything else happens inside that open folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.environment import MAX_BYTES

TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".upkeep-rotated-", ".new"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Settings:
    """A file as it was read.

    :ivar attributes: its extended attributes, ACLs among them.
    """

    content: bytes
    status: os.stat_result
    attributes: dict[str, bytes]


def read_settings(path: str) -> Settings:
    """Return a file that only its owner can have written.

    :raises UpkeepError: when it cannot be read, is a link or reached over one, is no file, has a second name, can be written by others
        than its owner or exchanged in its folder, or is too large.
    """
    with _open_folder(path) as folder:
        return _read(folder, path)


def replace_settings(path: str, before: Settings, content: bytes) -> None:
    """Exchange the content of a file; mode, owner, ACLs and other attributes stay. Killed at any moment, the old or the new one is there.

    :param before: the file as it was read.
    :raises UpkeepError: when it is another one by now, or cannot be written; it is then as it was.
    """
    with _open_folder(path) as folder:
        name = os.path.basename(path)
        temporary = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        except OSError as exc:
            raise _unwritten(path, exc) from exc
        try:
            with open(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                _give_rights(descriptor, before)
                os.fsync(descriptor)
            if _read(folder, path).content != before.content:
                raise UpkeepError(f"{path} was changed by somebody else meanwhile; it is left as it is")
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as exc:
            _remove(temporary, folder)
            raise _unwritten(path, exc) from exc
        except UpkeepError:
            _remove(temporary, folder)
            raise
        _sync(folder, path)


def remove_leftovers(path: str) -> None:
    """Remove from the folder of a file what a killed run was writing there. What cannot be removed stays."""
    try:
        with _open_folder(path) as folder:
            for name in os.listdir(folder):
                if name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX):
                    _remove(name, folder)
    except (OSError, UpkeepError):
        pass  # the file itself is looked at, and told about


@contextmanager
def _open_folder(path: str) -> Iterator[int]:
    if not path.startswith("/") or os.path.normpath(path) != path or path == "/":
        raise UpkeepError(f"{path!r} is no absolute path of a file, without . and ..")
    folder = os.open("/", _FOLDER)
    try:
        for name in path.split("/")[1:-1]:
            try:
                inner = os.open(name, _FOLDER, dir_fd=folder)
            except OSError as exc:
                if exc.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise UpkeepError(f"{path} is reached over {name}, which is a link or no folder; name the file itself") from exc
                raise UpkeepError(f"cannot open the folder of {path}: {exc.strerror}") from exc
            os.close(folder)
            folder = inner
            # In a folder that is sticky others cannot exchange what is not theirs.
            status = os.fstat(folder)
            if status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX:
                raise UpkeepError(f"{path} can be exchanged by others than its owner, who may write the folder {name}; take that right from them")
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, path: str) -> Settings:
    try:
        descriptor = os.open(os.path.basename(path), _READ, dir_fd=folder)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise UpkeepError(f"{path} is a link; name the file itself") from exc
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
    try:
        status = os.fstat(descriptor)
        problem = _problem(status)
        if problem:
            raise UpkeepError(f"{path} {problem}")
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UpkeepError(f"{path} has more than {MAX_BYTES} bytes, as no file of settings has")
        return Settings(content, status, _attributes(descriptor))
    except OSError as exc:
        raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
    finally:
        os.close(descriptor)


def _problem(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    if status.st_nlink != 1:
        return "has a second name (a hard link), which would keep the old value"
    if status.st_mode & _OTHERS_WRITE:
        return "can be written by others than its owner; take that right from them"
    return ""


def _attributes(descriptor: int) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
    except OSError as exc:
        if exc.errno == errno.ENOTSUP:
            return {}
        raise


def _give_rights(descriptor: int, before: Settings) -> None:
    """Give a new file the rights of the old one; in the order in which none takes away another."""
    os.fchown(descriptor, before.status.st_uid, before.status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.status.st_mode))
    present = _attributes(descriptor)
    for name in present.keys() - before.attributes.keys():
        os.removexattr(descriptor, name)  # such as what the folder gives to each new file
    for name, value in before.attributes.items():
        if present.get(name) != value:
            os.setxattr(descriptor, name, value)


def _remove(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass


def _sync(folder: int, path: str) -> None:
    try:
        os.fsync(folder)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise UpkeepError(f"{path} is written, but a power cut may undo that: {exc.strerror}") from exc


def _unwritten(path: str, exc: OSError) -> UpkeepError:
    return UpkeepError(f"cannot write {path}: {exc.strerror}; the previous file is unchanged")
