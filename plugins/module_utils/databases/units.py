# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A unit of systemd that is stopped while the files of its service are exchanged."""

from __future__ import annotations

import time

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


class Unit:
    """A unit.

    :ivar name: such as ``redis-server.service``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def is_active(self) -> bool:
        """Tell whether it runs.

        :raises UpkeepError: when there is no such unit, or no systemd.
        """
        result = self._systemctl("show", "--property=LoadState,ActiveState", seconds=30)
        states = dict(line.partition("=")[::2] for line in result.stdout.splitlines())
        if states.get("LoadState") != "loaded":
            raise UpkeepError(f"the unit {self.name} is {states.get('LoadState') or 'unknown'}; check its name (option unit)")
        return states.get("ActiveState") in ("active", "activating", "reloading", "deactivating")

    def stop(self, deadline: float) -> None:
        """Stop it and wait until it has ended.

        :raises UpkeepError: when it does not stop.
        """
        self._systemctl("stop", seconds=max(1.0, deadline - time.monotonic()))

    def start(self, deadline: float) -> None:
        """Start it.

        :raises UpkeepError: when it does not start.
        """
        self._systemctl("start", seconds=max(1.0, deadline - time.monotonic()))

    def _systemctl(self, verb: str, *options: str, seconds: float) -> CommandResult:
        result = run_command(["systemctl", verb, *options, "--", self.name], timeout_seconds=seconds)
        if result.problem:
            raise UpkeepError("this host has no systemd (systemctl is missing), so the unit cannot be stopped and started")
        if not result.succeeded:
            said = "it was not done in time" if result.timed_out else plain(result.stderr, 300).rstrip(".")
            raise UpkeepError(f"cannot {verb} the unit {self.name}: {said}; see journalctl --unit {self.name}")
        return result
