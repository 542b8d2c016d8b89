# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a file or an endpoint gave no certificate."""

from __future__ import annotations

#: The next step for a file that lost its certificate.
RESTORE_HINT = "Put the certificate there again: from the backup, or by renewing it."


class Unreadable(Exception):
    """A source could not be read: the check is unknown. The message completes "<source> <message>."

    :param hint: the next step.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
