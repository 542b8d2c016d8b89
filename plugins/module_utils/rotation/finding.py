# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files the paths of the groups mean. Names are only compared here; whether a file may be touched is judged later."""

from __future__ import annotations

import fnmatch
import glob
import os
import posixpath
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import FRESH, read_name
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Group

MAX_LOGS = 100_000
#: What a wide pattern also matches and is no log: files that something else has packed.
_PACKED = (".gz", ".zst", ".xz", ".bz2", ".lz4", ".zip")


class Found(NamedTuple):
    """A log that a path of a group means, whether it is there or not."""

    group: Group
    folder: str
    name: str

    @property
    def path(self) -> str:
        """The whole path."""
        return posixpath.join(self.folder, self.name)


def find_logs(groups: Sequence[Group]) -> tuple[list[Found], list[str]]:
    """Return the logs of all groups, each once (the first group that names it has it), and patterns without a match."""
    found: dict[tuple[str, str], Found] = {}
    unmatched = []
    for group in groups:
        for pattern in group.paths:
            pattern = posixpath.normpath("/" + pattern.lstrip("/"))
            places = _match(pattern)
            if not places and glob.has_magic(pattern):
                unmatched.append(pattern)
            for folder, name in places:
                found.setdefault((folder, name), Found(group, folder, name))
            if len(found) > MAX_LOGS:
                raise UpkeepError(f"{pattern} and the paths before it match more than {MAX_LOGS} logs; name fewer")
    return list(found.values()), unmatched


def _match(pattern: str) -> list[tuple[str, str]]:
    """Return folder and name of what a path means; a path without wildcards means itself, there or not."""
    folder, name = posixpath.split(pattern)
    if not glob.has_magic(pattern):
        return [(folder, name)]
    folders = sorted(glob.glob(folder)) if glob.has_magic(folder) else [folder]
    if not glob.has_magic(name):
        return [(place, name) for place in folders if os.path.lexists(posixpath.join(place, name))]
    return [(place, match) for place in folders for match in _names(place, name)]


def _names(folder: str, pattern: str) -> list[str]:
    """Return the names in a folder that a pattern matches, also of a log whose rotation was interrupted half-way."""
    found = set()
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    for entry in entries:
        archive = read_name(entry.name)
        if archive is not None:
            name = archive.log if archive.draft == FRESH else ""
        elif entry.is_dir(follow_symlinks=False) or entry.name.endswith(_PACKED):
            name = ""
        else:
            name = entry.name
        hidden = name.startswith(".") and not pattern.startswith(".")
        if name and not hidden and fnmatch.fnmatchcase(name, pattern):
            found.add(name)
    return sorted(found)
