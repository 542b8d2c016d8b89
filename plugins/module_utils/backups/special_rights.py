# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup holds that no restore writes unless somebody accepts it: said when it is made, and not when it is needed."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import named_paths
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, SYMLINK
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import Found
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import SPECIAL_BITS

CHECK = "backup.rights"
_SPECIAL = stat.S_ISUID | stat.S_ISGID
_MOST_NAMED = 20
#: Members are called after their absolute path.
_PREFIX = "files"


class SpecialRights:
    """Counts the members that run with the rights of their owner or group.

    :ivar names: the paths of the first of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.names: list[str] = []

    def watched(self, members: Iterable[Found]) -> Iterator[Found]:
        """Yield the members as they come."""
        for member in members:
            if member.status.st_mode & _SPECIAL and _is_refused(member):
                self.count += 1
                if len(self.names) < _MOST_NAMED:
                    self.names.append(member.name.removeprefix(_PREFIX))
            yield member


def _is_refused(member: Found) -> bool:
    """Tell whether a restore refuses it: on a folder the bit of the group only says which group new files get."""
    return member.type != SYMLINK and not (member.type == DIRECTORY and not member.status.st_mode & stat.S_ISUID)


def rights_check(label: str, found: SpecialRights, accept: Collection[str]) -> dict[str, Any]:
    """Say whether drills and recoveries will write all that the backup holds.

    :param accept: what the owner of the backup has said that they accept.
    """
    if not found.count:
        return check_result(CHECK, label, OK, "Nothing in it runs with the rights of its owner or group.", value=0, unit="count")
    one = found.count == 1
    text = f"{found.count} member{' runs' if one else 's run'} with the rights of {'its' if one else 'their'} owner or group"
    text += f" (set-user-ID, set-group-ID): {named_paths(found.names, found.count)}"
    if SPECIAL_BITS in accept:
        return check_result(CHECK, label, OK, f"{text}. That is accepted.", value=found.count, unit="count", warning=1)
    return check_result(
        CHECK, label, WARNING, f"{text}. Drills and recoveries refuse such a backup.", value=found.count, unit="count", warning=1,
        hint=f"When that is right, say it in the platform description (backup.accept: [{SPECIAL_BITS}]); else take the bit away.",
        evidence={"members": list(found.names)},
    )
