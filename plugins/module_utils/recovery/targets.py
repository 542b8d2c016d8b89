# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which paths a recovery brings back: those that are described, with wildcards replaced by what the backup has of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member

_FILES = "files"


def resolve_targets(targets: Sequence[str], members: Iterable[Member]) -> tuple[list[str], list[str]]:
    """Return the targets that the backup has, wildcards replaced, and those of which it has nothing.

    :param targets: absolute paths, none inside another.
    """
    patterns = {target: target.strip("/").split("/") for target in targets}
    found: dict[str, dict[str, None]] = {target: {} for target in targets}
    waiting = set(targets)
    for member in members:
        parts = member.name.split("/")
        for target in list(waiting) if parts[0] == _FILES else ():
            pattern = patterns[target]
            here = parts[1 : len(pattern) + 1]
            if len(here) == len(pattern) and all(map(fnmatchcase, here, pattern)):
                found[target]["/" + "/".join(here)] = None
                if not any(sign in target for sign in "*?["):
                    waiting.discard(target)
        if not waiting:
            break
    present = [path for target in targets for path in found[target]]
    return list(dict.fromkeys(present)), [target for target in targets if not found[target]]
