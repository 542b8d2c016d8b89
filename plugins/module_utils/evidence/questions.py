# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions to a host: each failure is noted, and asked once more before it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: Failures that are noted one by one; those beyond are only counted.
MAX_NOTED = 50


class AskFailed(UpkeepError):
    """The host did not answer a question; another one may be answered."""


class HostLost(UpkeepError):
    """The host cannot be reached any more."""


class Questions:
    """Asks one host.

    :param call: asks once; raises :class:`AskFailed` or :class:`HostLost`.
    :param note: keeps a failure in the custody log.
    :ivar failures: how many there were.
    """

    def __init__(self, call: Callable[[dict[str, Any]], Mapping[str, Any]], note: Callable[[str, dict[str, Any]], None]) -> None:
        self._call, self._note = call, note
        self.failures = 0

    def ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer; a question that failed is asked once more, since nothing on the host changes by it.

        :raises AskFailed: when it fails again. :raises HostLost: at once.
        """
        try:
            return self._call(dict(question))
        except AskFailed as exc:
            self.note_failure(f"{question['ask']}: {exc.message}", {"ask": question["ask"], "asked_again": True})
        return self._call(dict(question))

    def note_failure(self, text: str, details: dict[str, Any]) -> None:
        """Note a failure."""
        self.failures += 1
        if self.failures <= MAX_NOTED:
            self._note(text, details)
