# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which paths are watched: what the user named, with wildcards resolved, and what of it is missing."""

from __future__ import annotations

import errno
import fnmatch
import os
import posixpath
import re
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import order_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_ROOTS = 100_000

_WILDCARD = re.compile(r"[*?[]")


class Root(NamedTuple):
    """A file, folder or link that is watched.

    :ivar given: the option that named it.
    """

    path: str
    given: str


class Gap(NamedTuple):
    """Something that was to be watched and is not.

    :ivar reason: completes "<subject> …".
    :ivar absent: it is known that nothing is there.
    """

    subject: str
    reason: str
    hint: str = ""
    absent: bool = False


def refuse_wrong_paths(paths: Sequence[str]) -> None:
    """Raise unless each path is absolute and means something.

    :raises UpkeepError: naming the first that does not.
    """
    if not paths:
        raise UpkeepError("paths: give at least one file, folder or wildcard to watch")
    for position, path in enumerate(paths):
        wrong = None
        if not path.startswith("/") or "\0" in path:
            wrong = "give an absolute path"
        elif "**" in path:
            wrong = "folders are watched with all that is in them; name the folder itself"
        elif ".." in path.split("/"):
            wrong = "give a path without .."
        if wrong:
            raise UpkeepError(f"paths[{position}]: {plain(path, 200)!r} is not accepted; {wrong}")


def find_roots(paths: Sequence[str]) -> tuple[list[Root], list[Gap]]:
    """Return what is there of the paths, sorted as it is walked, each once; and what is not."""
    found: dict[str, Root] = {}
    gaps = []
    for given in paths:
        path = posixpath.normpath("/" + given.lstrip("/"))
        if not _WILDCARD.search(path) or os.path.lexists(path):
            gap = _gap_of(path, given)
            if gap is None or gap.reason.startswith("is a link"):
                found.setdefault(path, Root(path, given))
            gaps += [gap] if gap else []
            continue
        matches, unlisted = _expand(path)
        gaps += [Gap(given, f"could not be resolved: {reason}") for reason in unlisted]
        if not matches and not unlisted:
            gaps.append(Gap(given, "matches nothing", "Correct the wildcard, or take it out.", absent=True))
        room = MAX_ROOTS - len(found)
        if len(matches) > room:
            gaps.append(Gap(given, f"names more than {MAX_ROOTS} paths, and not all were looked at", "Name their folder instead."))
        for match in sorted(matches)[:room]:
            found.setdefault(match, Root(match, given))
    return sorted(found.values(), key=lambda root: order_of(root.path)), gaps


def _gap_of(path: str, given: str) -> Gap | None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return Gap(given, "does not exist", "Correct the path, or find out where it went.", absent=True)
    except OSError as exc:
        return Gap(given, f"could not be looked at ({exc.strerror})")
    if stat.S_ISLNK(mode) and os.path.isdir(path):
        return Gap(
            given, "is a link to a folder: where it leads is watched, what is there is not",
            f"Name the folder too: {os.path.realpath(path)}",
        )  # fmt: skip
    return None


def _expand(pattern: str) -> tuple[list[str], list[str]]:
    """Return what a wildcard matches, names that begin with a dot included, and why folders could not be listed."""
    found = ["/"]
    unlisted: list[str] = []
    parts = [part for part in pattern.split("/") if part]
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        following = []
        for folder in found:
            if not _WILDCARD.search(part):
                path = posixpath.join(folder, part)
                following += [path] if _is_there(path, os.lstat, unlisted) is not None else []
                continue
            try:
                names = [name for name in os.listdir(folder) if fnmatch.fnmatchcase(name, part)]
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as exc:
                unlisted.append(f"{folder} could not be listed ({exc.strerror})")
                continue
            following += [posixpath.join(folder, name) for name in names]
        if not last:
            modes = ((path, _is_there(path, os.stat, unlisted)) for path in following)
            following = [path for path, mode in modes if mode is not None and stat.S_ISDIR(mode)]
        found = following
    return found, unlisted


def _is_there(path: str, look: Callable[[str], os.stat_result], unlisted: list[str]) -> int | None:
    """Return the mode of what has a path, None when nothing has it; what cannot be told is noted."""
    try:
        return look(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        if exc.errno != errno.ELOOP:  # a link that leads round in a circle leads to nothing
            unlisted.append(f"{path} could not be looked at ({exc.strerror})")
        return None
