# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files the paths of a group mean: the logs, and beside each what was rotated away from it."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import read_name
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_FILES = 2000
_MAX_ENTRIES = 100_000

_PACKED = r"(?:\.(?:gz|xz|bz2|zst))?"
_DATE = r"\d{4}-?\d{2}-?\d{2}(?:[-T_.]?\d{2}[-:_.]?\d{2}(?:[-:_.]?\d{2})?Z?)?"
#: ``app.log.1.gz`` and ``app.log-20261122.gz`` of logrotate; ``app-20261122.log`` and ``app__2026-11-22_00-00-00.log`` of others.
_BEHIND = re.compile(rf"(?P<log>.+?)(?:[.-](?:\d{{1,4}}|{_DATE}(?:[.-]\d{{1,3}})?))?{_PACKED}")
_WITHIN = re.compile(rf"(?P<stem>.+?)(?:__|[-_.]){_DATE}(?P<end>(?:\.\d{{1,3}})?\.(?!(?:gz|xz|bz2|zst)$)[A-Za-z]{{1,10}}){_PACKED}")


class Found(NamedTuple):
    """A file to look at.

    :ivar log: path of the log that it is, or was rotated away from.
    """

    path: str
    log: str

    @property
    def rotated(self) -> bool:
        """Whether its name says that it was rotated away."""
        return self.path != self.log


def log_name(name: str) -> str | None:
    """Return the name of the log that a file was rotated away from, by its own name; None for a half-made archive.

    A name that says nothing of a rotation is that of the log itself.
    """
    archive = read_name(name)
    if archive is not None:
        return None if archive.draft else archive.log
    within = _WITHIN.fullmatch(name)
    if within:
        return within["stem"] + re.sub(r"^\.\d{1,3}(?=\.)", "", within["end"])
    behind = _BEHIND.fullmatch(name)
    return behind["log"] if behind else name


def find_files(paths: Sequence[str]) -> tuple[list[Found], list[tuple[str, Unreadable]]]:
    """Return the files, each path once, and what of the paths names none."""
    found: dict[str, Found] = {}
    problems: list[tuple[str, Unreadable]] = []
    folders: dict[str, list[str]] = {}
    for pattern in paths:
        pattern = posixpath.normpath("/" + pattern.lstrip("/"))
        fixed = not glob.has_magic(pattern) or os.path.lexists(pattern)
        matches = [pattern] if fixed else sorted(islice(glob.iglob(pattern), MAX_FILES + 1))
        matches = [match for match in matches if fixed or not os.path.isdir(match)]
        before = len(found)
        for match in matches:
            folder, name = posixpath.split(match)
            log = log_name(name)
            if log is None:
                continue
            if log != name:
                found.setdefault(match, Found(match, posixpath.join(folder, log)))
                continue
            for beside in [name, *_rotated_from(name, folder, folders)]:
                path = posixpath.join(folder, beside)
                if beside != name or os.path.lexists(path):
                    found.setdefault(path, Found(path, match))
        if len(found) == before and not any(match in found for match in matches):
            missing = "does not exist" if fixed else "matches nothing"
            problems.append((plain(pattern, 200), Unreadable(missing, "Correct the path, or take it out when there is no such log any more.")))
        if len(found) > MAX_FILES:
            problems.append((plain(pattern, 200), Unreadable(f"and the paths before it name more than {MAX_FILES} files", "Name fewer.")))
            return list(found.values())[:MAX_FILES], problems
    return list(found.values()), problems


def _rotated_from(name: str, folder: str, folders: dict[str, list[str]]) -> list[str]:
    """Return the names in a folder that were rotated away from a log.

    :param folders: the names in the folders that were listed before.
    """
    if folder not in folders:
        try:
            with os.scandir(folder) as entries:
                folders[folder] = [entry.name for entry in islice(entries, _MAX_ENTRIES)]
        except OSError:
            folders[folder] = []
    stem = name.partition(".")[0]
    return sorted(other for other in folders[folder] if other.startswith(stem) and other != name and log_name(other) == name)
