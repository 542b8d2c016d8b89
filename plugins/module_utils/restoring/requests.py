# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``backup_restore`` is asked to do, read from its options and from the manifest. Pure functions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import as_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import is_below
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import FILES_PREFIX, default_prefix
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

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
    if params["from"] is not None and len(params["from"]) != len(params["target"] or ()):
        raise UpkeepError("from: give as many members as targets, in the same order")
    if params["members"] is not None and not params["members"]:
        raise UpkeepError("members: an empty list restores nothing; leave it out to restore all")
    if params["members"] and params["preserve"] is not None:
        raise UpkeepError("preserve: with members everything else stays as it is; give one of them")
    for name in ("preserve", "members"):
        for path in params[name] or ():
            if not path.strip("/") or ".." in path.split("/") or os.path.isabs(path):
                raise UpkeepError(f"{name}: {plain(path, 200)!r} is no path below the target")


def default_targets(header: Optional[Mapping[str, Any]], sources: Sequence[str]) -> list[str]:
    """Return the paths that were saved, as the manifest names them.

    :param sources: names of those that are wanted; none means all.
    :raises UpkeepError: when nobody knows them.
    """
    if header is None:
        raise UpkeepError("target: the archive has no manifest that names the folders it was made of; give the target")
    listed = [source for source in header.get("sources") or () if isinstance(source, dict)]
    unknown = sorted(set(sources) - {str(source.get("name")) for source in listed})
    if unknown:
        names = ", ".join(plain(str(source.get("name")), 60) for source in listed)
        raise UpkeepError(f"sources: {unknown[0]} is none of the archive's: {names or 'it has none'}")
    paths = [str(path) for source in listed if not sources or source.get("name") in sources for path in source.get("paths") or ()]
    if not paths or not all(os.path.isabs(path) for path in paths):
        raise UpkeepError("target: the manifest of the archive names no folders; give the target")
    paths = list(dict.fromkeys(os.path.normpath(path) for path in paths))
    # A path in another one is restored with it.
    return [path for path in paths if not any(other != path and is_below(path, other) for other in paths)]


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


def excluded_below(header: Mapping[str, Any], prefix: bytes) -> tuple[list[bytes], bool]:
    """Return what the backup has left out on purpose below a member, and whether the list has all of it.

    :param prefix: the member, which begins with FILES_PREFIX.
    """
    root = prefix[len(FILES_PREFIX) :].decode("utf-8", "surrogateescape")
    found = []
    for entry in header.get("excluded") or ():
        path = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(path, str) or not path.startswith(root + "/") or ".." in path.split("/") or "\0" in path:
            continue
        found.append(as_bytes(path[len(root) + 1 :].strip("/")))
    return [path for path in found if path], not header.get("excluded_more")
