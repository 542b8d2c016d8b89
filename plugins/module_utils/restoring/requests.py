# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``backup_restore`` is asked to do, read from its options and from the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import as_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import is_below
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import FILES_PREFIX, default_prefix
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: A restore exchanges so many paths at most.
MOST_TARGETS = 1000
_FILES = FILES_PREFIX.decode() + "/"
_RANGES = {
    "keep_previous": (0, 100),
    "timeout_seconds": (1, 86_400),
    "lock_wait_seconds": (0, 86_400),
    "max_ratio": (1, 1_000_000),
    "max_members": (1, 100_000_000),
    "max_decoder_bytes": (1024 * 1024, 2 * 1024**3),
}


def refuse_wrong_options(params: Mapping[str, Any]) -> None:
    """Raise unless the options fit together.

    :raises UpkeepError: naming the option that is not accepted.
    """
    refuse_out_of_range(params, _RANGES)
    if params["state"] == "previous":
        return
    if not params["path"] or not os.path.isabs(params["path"]):
        raise UpkeepError("path: the absolute path of the archive is needed")
    if len(params["target"] or ()) > MOST_TARGETS:
        raise UpkeepError(f"target: give at most {MOST_TARGETS} in one call")
    if params["from"] is not None and len(params["from"]) != len(params["target"] or ()):
        raise UpkeepError("from: give as many members as targets, in the same order")
    if params["members"] is not None and not params["members"]:
        raise UpkeepError("members: an empty list restores nothing; leave it out to restore all")
    if params["members"] and params["preserve"] is not None:
        raise UpkeepError("preserve: with members everything else stays as it is; give one of them")
    for name in ("preserve", "members"):
        for path in params[name] or ():
            if set(path.split("/")) <= {"", "."} or ".." in path.split("/") or os.path.isabs(path) or "\0" in path:
                raise UpkeepError(f"{name}: {plain(path, 200)!r} is no path below the target")


class SavedRoots:
    """Collects the paths that a backup of ours was made of, from its members: a directory stands before what is in it.

    The manifest tells them as they were asked for, perhaps with wildcards; the members say what these meant.

    :ivar paths: absolute.
    """

    def __init__(self, header: Mapping[str, Any], sources: Sequence[str]) -> None:
        """
        :param sources: names of those that are wanted; none means all.
        :raises UpkeepError: when the archive has no such source.
        """
        listed = [source.get("name") for source in header.get("sources") or () if isinstance(source, dict)]
        unknown = sorted(set(sources) - {str(name) for name in listed})
        if unknown:
            names = ", ".join(plain(str(name), 60) for name in listed)
            raise UpkeepError(f"sources: {plain(unknown[0], 60)} is none of the archive's: {names or 'it has none'}")
        self.paths: list[str] = []
        self._wanted = frozenset(sources)
        self._below = ""

    def add(self, member: Member) -> None:
        """Look at the next member.

        :raises UpkeepError: when there are more paths than anybody restores at once.
        """
        if not member.name.startswith(_FILES) or self._wanted and member.source not in self._wanted:
            return
        if self._below and member.name.startswith(self._below):
            return
        self._below = member.name + "/"
        self.paths.append(os.fsdecode(as_bytes(member.name[len(_FILES) - 1 :])))
        if len(self.paths) > MOST_TARGETS:
            raise UpkeepError(f"target: the archive was made of more than {MOST_TARGETS} paths; name those that are wanted")

    def finish(self) -> list[str]:
        """Return the paths.

        :raises UpkeepError: when there are none.
        """
        if not self.paths:
            raise UpkeepError("target: the archive has no files of such a source")
        # A path in another one is restored with it.
        return [path for path in self.paths if not any(other != path and is_below(path, other) for other in self.paths)]


def prefixes(params: Mapping[str, Any], targets: Sequence[str], *, ours: bool) -> list[bytes]:
    """Return the member that becomes each target.

    :param targets: as they were given, before links in them were resolved.
    :param ours: the archive has our manifest.
    :raises UpkeepError: when a member cannot be one.
    """
    if params["from"] is None:
        return [default_prefix(os.path.normpath(target)) if ours else b"" for target in targets]
    found = []
    for text in params["from"]:
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise UpkeepError(f"from: {plain(text, 200)!r} is no member of an archive")
        found.append(as_bytes("/".join(parts)))
    return found
