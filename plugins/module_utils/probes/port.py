# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The port probe: somebody listens on a port, and it is who it should be.

A port that answers proves nothing when another program took it first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.listeners import (
    Listener,
    Owners,
    owners,
    read_listeners,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import (
    BECOME_HINT,
    Outcome,
    Unchecked,
    listed,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.process_table import (
    PROC,
    Process,
    read_process,
    unit_name,
    units_of,
    user_id,
    user_name,
)

_SHOWN = 10
_CRITERIA = ("unit", "pid_file", "pattern", "user")


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    address = f" of {options['address']}" if options["address"] else ""
    return f"Port {options['port']}{address}"


def probe_port(options: dict[str, Any], deadline: Deadline, proc: Path = PROC) -> Outcome:
    """Find every socket that serves the port and ask who holds it; each must belong to the expected process."""
    sockets = [
        listener
        for listener in read_listeners(proc)
        if listener.port == options["port"] and listener.serves(options["address"])
    ]
    if not sockets:
        return Outcome(CRITICAL, f"{target_of(options)} has no listener.", details={"listeners": []})
    known = owners([listener.inode for listener in sockets], proc)
    verdicts = [_Socket(listener, known, options, deadline, proc) for listener in sockets]
    details = {"listeners": [verdict.row for verdict in verdicts[:_SHOWN]]}
    holders = sorted({holder for verdict in verdicts for holder in verdict.holders})
    expected = describe_expected(options)
    if any(verdict.right is False for verdict in verdicts):
        wrong = next(verdict for verdict in verdicts if verdict.right is False)
        summary = f"{target_of(options)} is held by {listed(wrong.holders[:_SHOWN], 'and')}; {expected} was expected."
        return Outcome(CRITICAL, summary, details=details)
    if any(verdict.right is None for verdict in verdicts):
        reason = "it belongs to no process that is visible here (another container, or the kernel)"
        if not known.complete:
            reason = "this user may not see which process holds it"
        hint = "" if known.complete else BECOME_HINT
        summary = f"{target_of(options)} has a listener, but whether it is {expected} could not be checked: {reason}."
        return Outcome(UNKNOWN, summary, hint=hint, details=details, permanent=not known.complete)
    return Outcome(OK, f"{target_of(options)} is held by {listed(holders[:_SHOWN], 'and')}.", details=details)


class _Socket:
    """One listening socket and who holds it.

    :ivar right: it belongs to the expected process; None when that cannot be told.
    """

    def __init__(
        self, listener: Listener, known: Owners, options: dict[str, Any], deadline: Deadline, proc: Path
    ) -> None:
        found_processes = (read_process(pid, proc) for pid in known.by_inode.get(listener.inode, ()))
        processes = [process for process in found_processes if process is not None]
        self.holders = [process.shown for process in processes] or [f"a process of user {user_name(listener.uid)}"]
        self.row = {
            "address": listener.address,
            "pids": [process.pid for process in processes][:_SHOWN],
            "user": user_name(listener.uid),
        }
        wanted = [key for key in _CRITERIA if options[key] is not None]
        self.right: bool | None
        if not wanted:
            self.right = True
        elif processes:
            self.right = any(_is_expected(process, options, deadline, proc) for process in processes)
        elif wanted == ["user"]:
            self.right = listener.uid == user_id(options["user"])
        else:
            self.right = None


def _is_expected(process: Process, options: dict[str, Any], deadline: Deadline, proc: Path) -> bool:
    if options["user"] is not None and process.uid != user_id(options["user"]):
        return False
    if options["unit"] is not None and unit_name(options["unit"]) not in units_of(process.pid, proc):
        return False
    if options["pid_file"] is not None and not _descends(process, pid_from(options["pid_file"]), proc):
        return False
    return options["pattern"] is None or found(options["pattern"], process.command_line, deadline)


def pid_from(pid_file: str) -> int:
    """Return the process id in a pid file.

    :raises Unchecked: when the file cannot be read or holds no process id.
    """
    try:
        text = Path(pid_file).read_text("ascii", "replace")[:64].strip()
    except OSError as exc:
        hint = BECOME_HINT if isinstance(exc, PermissionError) else "Correct pid_file, or let the service write it."
        raise Unchecked(f"the pid file {pid_file} cannot be read ({exc.strerror})", hint=hint) from exc
    if not text.split(maxsplit=1)[:1] or not text.split()[0].isdigit():
        raise Unchecked(f"the pid file {pid_file} holds no process id")
    return int(text.split()[0])


def _descends(process: Process, ancestor: int, proc: Path) -> bool:
    """Tell whether a process is the one of the pid file, or one of its workers."""
    current: Process | None = process
    for _generation in range(32):
        if current is None or current.pid <= 1:
            return False
        if current.pid == ancestor:
            return True
        current = read_process(current.parent, proc)
    return False


def describe_expected(options: dict[str, Any]) -> str:
    """Return the expected process for people."""
    words = {
        "unit": f"unit {unit_name(options['unit'])}" if options["unit"] else "",
        "pid_file": f"the process of {options['pid_file']}",
        "pattern": f"a process matching {options['pattern']!r}",
        "user": f"user {options['user']}",
    }
    return listed([words[key] for key in _CRITERIA if options[key] is not None] or ["anybody"], "and")
