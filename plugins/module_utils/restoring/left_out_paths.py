# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup leaves out on purpose and a live tree has: found by the same patterns, also what came after the backup."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import as_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import FILES_PREFIX


def find_left_out(header: Mapping[str, Any], prefix: bytes, target: str) -> list[bytes]:
    """Return the paths below a target that the backup leaves out: the tops of subtrees, relative to it.

    :param header: the manifest without its members.
    :param prefix: the member that becomes the target.
    :raises UpkeepError: when a pattern of the manifest means nothing.
    """
    if not prefix.startswith(FILES_PREFIX + b"/"):
        return []
    origin = os.fsdecode(prefix[len(FILES_PREFIX) :])
    rules = list(_rules(header, origin))
    found = set(_listed(header, origin))
    waiting = [""] if rules else []
    while waiting:
        relative = waiting.pop()
        try:
            with os.scandir(os.path.join(target, relative) if relative else target) as entries:
                for entry in entries:
                    below = f"{relative}/{entry.name}" if relative else entry.name
                    path = f"{origin}/{below}"
                    if any(rule.matching(entry.name, path, root) is not None for rule, root in rules):
                        found.add(below)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(below)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            raise UpkeepError(f"cannot look into {os.path.join(target, relative)}: {exc.strerror}; nothing was changed") from exc
    return sorted(os.fsencode(path) for path in found if not _is_covered(path, found))


def _rules(header: Mapping[str, Any], origin: str) -> Iterator[tuple[Exclusions, str]]:
    """Yield the patterns of the sources that the target is part of, and the path that they are relative to."""
    for source in header.get("sources") or ():
        patterns = source.get("exclude") if isinstance(source, dict) else None
        if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
            continue
        root = _root(source.get("paths") or (), origin)
        if root is not None:
            yield Exclusions(patterns), root


def _root(paths: Sequence[Any], origin: str) -> Optional[str]:
    """Return the path of a source that an origin is or lies in; with wildcards in it, as many levels of the origin as it has."""
    for path in paths:
        if not isinstance(path, str) or not path.startswith("/"):
            continue
        parts = os.path.normpath(path).count("/")
        root = "/".join(origin.split("/")[: parts + 1])
        if any(character in path for character in "*?["):
            return root
        if root == os.path.normpath(path):
            return root
    return None


def _listed(header: Mapping[str, Any], origin: str) -> Iterator[str]:
    """Yield what the manifest lists as left out."""
    for entry in header.get("excluded") or ():
        path = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(path, str) and path.startswith(origin + "/") and ".." not in path.split("/") and "\0" not in path:
            below = os.fsdecode(as_bytes(path[len(origin) :].strip("/")))
            if below:
                yield below


def _is_covered(path: str, others: set[str]) -> bool:
    """Tell whether a path lies in another one of a set."""
    above = path.rpartition("/")[0]
    while above:
        if above in others:
            return True
        above = above.rpartition("/")[0]
    return False
