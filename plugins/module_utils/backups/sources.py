# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup is made of: the sources that were asked for, and the paths that they mean on this host."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WILDCARDS = "*?["
_MOST_NAME_CHARACTERS = 100
_DAY_SECONDS = 86_400


def source_options() -> dict[str, dict[str, Any]]:
    """Return the suboptions of ``sources`` as an argument spec describes them."""
    texts = {"type": "list", "elements": "str"}
    return {
        "name": {"type": "str", "required": True},
        "paths": {**texts, "required": True},
        "exclude": {**texts, "default": []},
        "max_age_days": {"type": "float"},
        "one_file_system": {"type": "bool", "default": True},
    }


@dataclass(frozen=True)
class Root:
    """A path whose whole tree is backed up.

    :ivar path: absolute, as it is to be called in the archive.
    :ivar source: the name of its source.
    :ivar max_age_days: files that were changed longer ago are left out; None leaves out none.
    :ivar not_before_ns: the moment that this means, in nanoseconds since 1970.
    """

    path: str
    source: str
    exclusions: Exclusions
    one_file_system: bool
    max_age_days: float | None = None
    not_before_ns: int | None = None

    def open_parent(self) -> tuple[int, str]:
        """Return a descriptor of the folder that holds the root, and the root's name in it.

        No link is followed but those that were there when this began, in folders that only root and this user may change.

        :raises UpkeepError: when it cannot be opened.
        """
        parent, name = os.path.split(self.path)
        descriptor = os.open("/", _FOLDER_FLAGS)
        try:
            for part in _real(parent).split("/"):
                if part:
                    inner = os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
                    os.close(descriptor)
                    descriptor = inner
        except OSError as exc:
            os.close(descriptor)
            raise UpkeepError(f"cannot open {plain(parent)}: {exc.strerror}") from exc
        return descriptor, name or "."


def read_sources(sources: Sequence[Mapping[str, Any]], now: datetime) -> list[Root]:
    """Return the roots that the sources mean on this host.

    :param sources: each with ``name``, ``paths``, ``exclude``, ``one_file_system`` and ``max_age_days``.
    :param now: the moment from which ages are counted.
    :raises UpkeepError: when a source is described wrongly, or a path or pattern of it does not exist.
    """
    roots: dict[str, Root] = {}
    names: set[str] = set()
    for index, source in enumerate(sources):
        name, place = source["name"], f"sources[{index}]"
        if not name or len(name) > _MOST_NAME_CHARACTERS or not name.isprintable():
            raise UpkeepError(f"{place}.name: give a printable name of at most {_MOST_NAME_CHARACTERS} characters")
        if name in names:
            raise UpkeepError(f"{place}.name: {name} is the name of another source too; give each its own")
        names.add(name)
        if not source["paths"]:
            raise UpkeepError(f"{place}.paths: {name} has no paths; a backup of nothing is none")
        exclusions, age = Exclusions(source.get("exclude") or []), source.get("max_age_days")
        refuse_out_of_range({"max_age_days": age}, {"max_age_days": (0.01, 36_500)}, f"{place}.")
        oldest = None if age is None else int((now.timestamp() - age * _DAY_SECONDS) * 1_000_000_000)
        for given in source["paths"]:
            for path in _meant(given, exclusions, f"{place}.paths"):
                roots.setdefault(path, Root(path, name, exclusions, source.get("one_file_system") is not False, age, oldest))
    return list(roots.values())


def told_source(source: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return what the manifest says of a source.

    :param paths: those that were given, or those that they mean on this host.
    """
    told = {"name": source["name"], "paths": list(paths), "exclude": list(source.get("exclude") or [])}
    return {**told, "max_age_days": source["max_age_days"]} if source.get("max_age_days") is not None else told


def _meant(given: str, exclusions: Exclusions, place: str) -> list[str]:
    """Return the paths that a path or a pattern stands for."""
    shown = plain(given, 300)
    if not given.startswith("/") or "\0" in given or ".." in given.split("/"):
        raise UpkeepError(f"{place}: {shown or 'an empty text'} is not accepted; give an absolute path without '..'")
    path = os.path.normpath(given)
    path = path[1:] if path.startswith("//") else path
    if os.path.lexists(path) or not any(character in path for character in _WILDCARDS):
        _refuse_link(path, place)
        return [path]
    matches = sorted(glob.glob(path))
    if not matches:
        raise UpkeepError(f"{place}: {shown} matches nothing; a backup without it would not be whole, so none was made")
    kept = [match for match in matches if exclusions.matching(os.path.basename(match), match, os.path.dirname(match)) is None]
    if not kept:
        raise UpkeepError(f"{place}: all that {shown} matches is left out by exclude")
    return kept


def _refuse_link(path: str, place: str) -> None:
    """Raise when a path does not exist or is a link: what was meant is behind it."""
    try:
        status = os.lstat(path)
    except OSError as exc:
        raise UpkeepError(
            f"{place}: {plain(path)} cannot be backed up: {exc.strerror}; a backup without it would not be whole, so none was made"
        ) from exc
    if stat.S_ISLNK(status.st_mode):
        raise UpkeepError(
            f"{place}: {plain(path)} is a symbolic link to {plain(os.readlink(path))}, and a backup would hold that link"
            " alone; name what it points to"
        )


def _real(parent: str) -> str:
    """Return a folder without links in its path.

    :raises UpkeepError: when one of them belongs to somebody else, who may point it anywhere.
    """
    at = ""
    for part in parent.split("/"):
        at = f"{at}/{part}" if part else at
        if at and os.path.islink(at) and os.lstat(at).st_uid not in (0, os.geteuid()):
            raise UpkeepError(
                f"{plain(at)}, on the way to {plain(parent)}, is a symbolic link of another user; name the path behind it"
            )
    return os.path.realpath(parent)
