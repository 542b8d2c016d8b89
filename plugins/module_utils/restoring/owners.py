# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who owns what is restored: the user and group of the same name on this host, else the same number."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.tree_writing import Attributes

#: By name, else by number; by number alone; nobody else than the user of the process.
NAMES, NUMBERS, KEEP_NONE = "names", "numbers", "none"
POLICIES = (NAMES, NUMBERS, KEEP_NONE)
_MOST_NUMBER = 2**32 - 2


class Owners:
    """Remembers the names that it has looked up."""

    def __init__(self, policy: str) -> None:
        """:param policy: one of POLICIES; only root can give files away, so that anybody else restores with KEEP_NONE."""
        self._policy = policy if os.geteuid() == 0 else KEEP_NONE
        self._known: dict[tuple[str, int, str, int], tuple[Optional[int], Optional[int]]] = {}

    def attributes(self, member: Member, mtime_ns: int) -> Attributes:
        """Return what a member is restored with."""
        key = (member.user, member.uid, member.group, member.gid)
        owner = self._known.get(key)
        if owner is None:
            owner = self._known[key] = self._look_up(*key)
        return Attributes(member.mode, owner[0], owner[1], mtime_ns)

    def _look_up(self, user: str, uid: int, group: str, gid: int) -> tuple[Optional[int], Optional[int]]:
        if self._policy == KEEP_NONE:
            return None, None
        if self._policy == NAMES:
            uid = _number(lambda: pwd.getpwnam(user).pw_uid, uid) if user else uid
            gid = _number(lambda: grp.getgrnam(group).gr_gid, gid) if group else gid
        return min(uid, _MOST_NUMBER), min(gid, _MOST_NUMBER)


def _number(look_up: Callable[[], int], otherwise: int) -> int:
    try:
        return look_up()
    except (KeyError, ValueError, UnicodeEncodeError):
        return otherwise
