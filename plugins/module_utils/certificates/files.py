# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files that hold certificates: found by path, folder or wildcard, and read with a bound."""

from __future__ import annotations

import errno
import glob
import itertools
import os
import stat
from collections.abc import Iterator

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import RESTORE_HINT, Unreadable

#: The certificates of all public authorities together have a quarter of a megabyte.
MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FILES = 100_000

#: What a file in a folder is called when it holds certificates; others are left out.
SUFFIXES = (".pem", ".crt", ".cer", ".cert", ".der", ".p12", ".pfx")

_WILDCARDS = frozenset("*?[")
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip
_READ_AS_ROOT = "Let the playbook become root on this host, or let this user read it."


def find_files(given: str) -> tuple[list[str], list[str]]:
    """Return the files that a path, folder or wildcard names itself, and those found in folders.

    :raises Unreadable: when there is none, with the reason.
    """
    if _WILDCARDS.isdisjoint(given) or os.path.lexists(given):
        matches = [given]
    else:
        matches = sorted(dict.fromkeys(itertools.islice(_matches(given), MAX_FILES + 1)))
        if not matches:
            raise Unreadable(f"matches nothing{_reason_for_nothing(given)}", "Correct the path, or make the file.")
    named, found = [], []
    for match in matches:
        if os.path.isdir(match):
            found += sorted(itertools.islice(_certificate_files(match), MAX_FILES + 1))
        else:
            named.append(match)
    if len(named) + len(found) > MAX_FILES:
        raise Unreadable(f"names more than {MAX_FILES} files", "Name fewer files.")
    if not named and not found:
        raise Unreadable(
            f"holds no file that is called like one with certificates ({', '.join(SUFFIXES)})", "Name the files themselves."
        )
    return named, found


def _matches(pattern: str) -> Iterator[str]:
    """Yield what a wildcard matches; ``**`` does not go through links to folders: two that lead back are ways without end.

    :raises Unreadable: when a folder below ``**`` cannot be listed.
    """
    head, recursive, rest = pattern.partition("/**/")
    if not recursive and pattern.endswith("/**"):
        head, recursive, rest = pattern[:-3], "/**", "*"
    if not recursive:
        yield from glob.iglob(pattern)
        return

    def refuse(problem: OSError) -> None:
        raise _unreadable(problem, f"has a folder that cannot be listed ({problem.filename}): it")

    for top in glob.iglob(head or "/"):
        if not os.path.isdir(top):
            continue
        for directory, folders, _names in os.walk(top, onerror=refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            yield from _matches(os.path.join(glob.escape(directory), rest))


def _certificate_files(folder: str) -> Iterator[str]:
    """Yield the files in a folder and below it that are called like certificates; links to folders are not followed.

    :raises Unreadable: when one of the folders cannot be listed: what is in it would be missed without a word.
    """

    def refuse(problem: OSError) -> None:
        raise _unreadable(problem, f"has a folder that cannot be listed ({problem.filename}): it")

    for directory, _folders, names in os.walk(folder, onerror=refuse):
        for name in names:
            if name.lower().endswith(SUFFIXES):
                yield os.path.join(directory, name)


def _reason_for_nothing(pattern: str) -> str:
    """Return what is wrong with the folder in which a wildcard begins, or nothing."""
    parts = pattern.split("/")
    fixed = list(itertools.takewhile(_WILDCARDS.isdisjoint, parts[:-1]))
    folder = "/".join(fixed) or "/"
    try:
        os.listdir(folder)
    except OSError as exc:
        return f": {folder} {_unreadable(exc)}"
    return ""


def read_bounded(path: str, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a regular file, at most ``limit`` bytes; what is no such file is never opened.

    :raises Unreadable: with the reason.
    """
    try:
        # Opening alone can wait (a pipe) or act (a watchdog, a tape): look first.
        _refuse_what_is_no_file(os.stat(path).st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            state = os.fstat(descriptor)
            _refuse_what_is_no_file(state.st_mode)
            if state.st_size > limit:
                raise _too_large(state.st_size, limit)
            data = _read(descriptor, limit + 1, state.st_size)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise _unreadable(exc) from exc
    except ValueError as exc:
        raise Unreadable(f"is no path ({exc})") from exc
    if len(data) > limit:
        raise _too_large(len(data), limit)
    if not data:
        raise Unreadable("is empty", RESTORE_HINT)
    return data


def _read(descriptor: int, limit: int, expected: int) -> bytes:
    data = os.read(descriptor, min(limit, expected + 1))
    if len(data) == expected:
        return data
    parts = [data]
    total = len(data)
    while data and total < limit:
        data = os.read(descriptor, min(65536, limit - total))
        parts.append(data)
        total += len(data)
    return b"".join(parts)


def _refuse_what_is_no_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "no file")
        raise Unreadable(f"is {kind}, not a file with certificates", "Name the file itself.")


def _too_large(size: int, limit: int) -> Unreadable:
    return Unreadable(
        f"has {size / 1048576:.4g} MiB, and a file with certificates has at most {limit / 1048576:g} MiB",
        "Name the file with the certificates.",
    )


def _unreadable(problem: OSError, where: str = "") -> Unreadable:
    lead = f"{where} " if where else ""
    if problem.errno == errno.ENOENT:
        return Unreadable(f"{lead}does not exist", "Correct the path, or make the file.")
    if problem.errno in (errno.EACCES, errno.EPERM):
        return Unreadable(f"{lead}may not be read by this user", _READ_AS_ROOT)
    if problem.errno == errno.ELOOP:
        return Unreadable(f"{lead}is a loop of links", "Let the link lead to the file.")
    if problem.errno == errno.ENOTDIR:
        return Unreadable(f"{lead}does not exist: a part of the path is no folder", "Correct the path.")
    return Unreadable(f"{lead}could not be read ({problem.strerror or problem})", "Look at the file system: dmesg | tail")
