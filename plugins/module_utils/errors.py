# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that a module turns into a failed task."""

from __future__ import annotations

from typing import Any


class UpkeepError(Exception):
    """Something was called wrongly, or an action that was asked for could not be done.

    A check that could not be made is *not* an error: it is a check result with the status ``unknown``.

    :param message: one sentence that names the subject and the next step.
    :param details: further return values for ``fail_json``; never a secret.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
