# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be said about the history itself, in the same words by every module that keeps one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result

CHECK = "history.integrity"


def check_unusable(path: Path, reason: str) -> dict[str, Any]:
    """Return the check of a history that could not be read or written; all other checks are right all the same."""
    return check_result(
        CHECK,
        str(path),
        UNKNOWN,
        f"What was found could not be kept or compared with earlier runs: {reason}.",
        hint="Make its folder writable for the user of this task and see that there is room, or leave the history out.",
    )


def check_damaged(path: Path, set_aside: str) -> dict[str, Any]:
    """Return the check of a damaged history.

    :param set_aside: where it was moved to, '' when it was left (check mode).
    """
    where = f"was set aside as {set_aside}" if set_aside else "was left as it is"
    return check_result(
        CHECK,
        str(path),
        WARNING,
        f"The history {path} was damaged and {where}; trends begin anew.",
        hint="Look for a full disk or an unclean power-off; the history itself needs nothing.",
    )


def check_whole(path: Path) -> dict[str, Any]:
    """Return the check of a history that works; check mode makes no file, so there may be none yet."""
    state = "is whole" if os.path.exists(path) else "has not been begun yet"
    return check_result(CHECK, str(path), OK, f"The history {path} {state}.")
