# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command probe: a command of the user, with its exit status and output judged."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import (
    Broken,
    Outcome,
    Unchecked,
    listed,
    seconds,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found

MAX_OUTPUT_BYTES = 64 * 1024
_START_HINT = "See that the program is on this host, that its path is right and that this user may run it."


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people: the program; its arguments may be secrets."""
    return f"Command {options['argv'][0]}"


def probe_command(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Run the command once."""
    result = run_command(
        options["argv"],
        timeout_seconds=deadline.remaining(),
        max_output_bytes=MAX_OUTPUT_BYTES,
        directory=options["directory"],
    )
    latency = deadline.elapsed()
    if result.problem:
        raise Unchecked(f"it cannot be started ({result.problem})", hint=_START_HINT, permanent=True)
    if result.timed_out:
        raise Broken(f"did not end within {deadline.limit_seconds:g} s and was killed")
    code = result.returncode or 0
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
    ended = f"{target_of(options)} {ended} after {seconds(latency)}"
    details = {"rc": code}
    if code not in options["expect_rc"]:
        return Outcome(CRITICAL, f"{ended}; {listed(options['expect_rc'])} was expected.", latency, details=details)
    if options["expect_stdout"] is not None and not found(options["expect_stdout"], result.stdout, deadline):
        complaint = f"'{options['expect_stdout']}' was not found in its output"
        return Outcome(CRITICAL, f"{ended}; {complaint}.", latency, details=details)
    return Outcome(OK, f"{ended}.", latency, details=details)
