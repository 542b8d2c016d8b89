# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Complete a new tree by what it takes from the live one: what was left out of the backup, and the rights of the target itself."""

from __future__ import annotations

import errno
import os

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import DIRECTORY_FLAGS, open_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.placing import TREE
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preparing import Prepared
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preserving import carry_over, copy_attributes, merge_rest


def carry(prepared: Prepared, number: int, staging: int) -> int:
    """Complete the new tree of one target; return how many files and directories were carried over.

    :param staging: descriptor of the directory in which the new tree is.
    :raises UpkeepError: when something cannot be carried over.
    """
    target = prepared.targets[number]
    try:
        live = open_directory(target)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return 0  # there is no directory to take from
        raise UpkeepError(f"cannot look into {target}: {exc.strerror}; nothing was changed") from exc
    try:
        new = os.open(TREE, DIRECTORY_FLAGS, dir_fd=staging)
    except NotADirectoryError:
        os.close(live)
        return 0
    try:
        selection = prepared.selection
        if selection.is_part:
            return merge_rest(live, new, selection.takes)
        before = os.fstat(new).st_mtime_ns
        carried = sum(carry_over(live, new, path) for path in prepared.kept[number])
        os.utime(new, ns=(before, before))
        if not prepared.amounts[number].root:
            copy_attributes(live, new)  # no member says what the target itself is like
        return carried
    finally:
        os.close(new)
        os.close(live)
