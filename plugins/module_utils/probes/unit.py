# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit probe: what systemd says about a unit, and how often it restarted since the last run."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Outcome, Unchecked, listed
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "MainPID")
_NO_SYSTEMD = ("not been booted with systemd", "failed to connect to", "failed to get d-bus connection")
_INSTEAD_HINT = "Without systemd, use a probe of type process or pm2 for this service."
_LOG_HINT = "Read its log with: journalctl --unit {unit} --lines 50"


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    return f"Unit {options['unit']}"


def probe_unit(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Ask systemd once."""
    return judge(options, _ask_systemd(options["unit"], _PROPERTIES, deadline))


def names_of(unit: str, deadline: Deadline) -> set[str]:
    """Return all names of a unit: ``sshd.service`` may be an alias of ``ssh.service``, whose processes are its own.

    :raises Unchecked: when systemd does not tell.
    """
    properties = _ask_systemd(unit, ("Id", "Names"), deadline)
    return {properties.get("Id", ""), *properties.get("Names", "").split()} - {""}


def _ask_systemd(unit: str, properties: tuple[str, ...], deadline: Deadline) -> dict[str, str]:
    argv = ["systemctl", "show", "--no-pager", f"--property={','.join(properties)}", "--", unit]
    return read_properties(run_command(argv, timeout_seconds=deadline.remaining()))


def read_properties(result: CommandResult) -> dict[str, str]:
    """Return the properties that ``systemctl show`` printed.

    :raises Unchecked: when there is no systemd, or it did not answer.
    """
    if result.problem:
        raise Unchecked("this host has no systemd (systemctl is missing)", hint=_INSTEAD_HINT, permanent=True)
    if result.timed_out:
        raise Unchecked("systemd did not answer in time")
    said = plain(result.stderr, 200)
    if result.returncode != 0:
        if any(text in said.lower() for text in _NO_SYSTEMD):
            raise Unchecked("systemd does not run this host", hint=_INSTEAD_HINT, permanent=True)
        raise Unchecked(f"systemctl failed: {said.rstrip('.') or f'exit status {result.returncode}'}")
    pairs = (line.partition("=") for line in result.stdout.splitlines() if "=" in line)
    return {key: value for key, _equals, value in pairs}


def judge(options: dict[str, Any], properties: dict[str, str]) -> Outcome:
    """Return the outcome for the properties of a unit.

    :raises Broken: when there is no such unit.
    """
    load, state, sub = (properties.get(key, "") for key in ("LoadState", "ActiveState", "SubState"))
    if load == "not-found":
        raise Broken("does not exist")
    if load != "loaded":
        raise Broken(f"is {load or 'in a state that systemd does not tell'}")
    restarts = properties.get("NRestarts", "")
    outcome: dict[str, Any] = {
        "value": state,
        "restarts": int(restarts) if restarts.isdigit() else None,
        "details": {"active_state": state, "sub_state": sub, "result": properties.get("Result", "")},
    }
    text = f"{target_of(options)} is {state} ({sub})"
    # While it reloads it serves; while it waits for its next automatic restart it does not.
    shown = "active" if state == "reloading" else state
    if shown in options["expect_state"] and sub != "auto-restart":
        return Outcome(OK, f"{text}.", **outcome)
    result = properties.get("Result", "")
    why = f", result {result}" if result not in ("", "success") else ""
    expected = listed(options["expect_state"])
    return Outcome(
        CRITICAL, f"{text}{why}; {expected} was expected.", hint=_LOG_HINT.format(unit=shlex.quote(options["unit"])), **outcome
    )
