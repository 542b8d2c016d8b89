# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The port probe: somebody listens on a port, and it is who it should be.

A port that answers proves nothing when another program took it first.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome, Unchecked, listed
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import (
    BECOME_HINT,
    PROC,
    Listener,
    Process,
    Unseen,
    also_holds,
    read_listeners,
    read_processes,
    units_of,
    user_id,
    user_name,
    wildcards,
)

_SHOWN = 10
_LISTEN = "0A"
_CRITERIA = ("unit", "pid_file", "pattern", "user")


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    address = f" of {options['address']}" if options["address"] else ""
    return f"Port {options['port']}{address}"


def probe_port(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Find every socket that serves the port and ask who holds it; each must belong to the expected process."""
    try:
        listeners = read_listeners()
        processes = {process.pid: process for process in read_processes() if process.runs}
    except Unseen:
        if any(options[key] is not None for key in _CRITERIA):
            raise
        return _judge_unowned(options)
    listeners = [one for one in listeners if one.port == options["port"] and one.serves(options["address"])]
    if not listeners:
        return _no_listener(options)
    verdicts = [_Socket(listener, processes, options, deadline) for listener in listeners]
    details = {"listeners": [verdict.row for verdict in verdicts[:_SHOWN]]}
    expected = describe_expected(options)
    wrong = [verdict for verdict in verdicts if verdict.right is False]
    if wrong:
        summary = f"{target_of(options)} is held by {listed(wrong[0].holders, 'and')}; {expected} was expected."
        return Outcome(CRITICAL, summary, details=details)
    if any(verdict.right is None for verdict in verdicts):
        may_see = os.geteuid() == 0
        reason = "no process that this user may see holds it"
        if may_see:
            reason = "it belongs to no process that is visible here (another container, or the kernel)"
        summary = f"{target_of(options)} has a listener, but whether it is {expected} could not be checked: {reason}."
        return Outcome(
            UNKNOWN, summary, hint="" if may_see else BECOME_HINT, details=details, permanent=not may_see
        )
    holders = sorted({holder for verdict in verdicts for holder in verdict.holders})
    return Outcome(OK, f"{target_of(options)} is held by {listed(holders[:_SHOWN], 'and')}.", details=details)


def _no_listener(options: dict[str, Any]) -> Outcome:
    return Outcome(CRITICAL, f"{target_of(options)} has no listener.", details={"listeners": []})


def _judge_unowned(options: dict[str, Any]) -> Outcome:
    """Return the outcome where processes cannot be seen and need not be: the kernel says whether somebody listens."""
    if not kernel_listens(options["port"], options["address"]):
        return _no_listener(options)
    return Outcome(OK, f"{target_of(options)} has a listener.", details={"listeners": []})


def kernel_listens(port: int, address: str | None, proc: Path = PROC) -> bool:
    """Tell from the socket tables of the kernel whether somebody listens on a port, and serves the address.

    :raises Unchecked: when this system has no such tables.
    """
    served = [] if address is None else [address, *wildcards(address)]
    if address is not None and ":" not in address:
        served.append(f"::ffff:{address}")
    addresses = {_kernel_form(one) for one in served}
    rows: list[list[str]] = []
    try:
        for table in proc.glob("net/tcp*"):
            rows += [line.split() for line in table.read_text("ascii", "replace").splitlines()]
    except OSError as exc:
        raise Unchecked(f"the socket tables cannot be read ({exc.strerror})", permanent=True) from exc
    if not rows:
        raise Unchecked(f"this system has no {proc}/net/tcp", permanent=True)
    places = [row[1].split(":") for row in rows if len(row) > 3 and row[3] == _LISTEN]
    return any(place[1] == f"{port:04X}" and (address is None or place[0] in addresses) for place in places)


def _kernel_form(address: str) -> str:
    """Return an address as the kernel writes it: words of 32 bits in the byte order of the machine, in hexadecimal."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))


class _Socket:
    """One listening socket and who holds it.

    :ivar right: it belongs to the expected process; None when that cannot be told.
    """

    def __init__(
        self, listener: Listener, processes: dict[int, Process], options: dict[str, Any], deadline: Deadline
    ) -> None:
        holder = processes.get(listener.pid or 0)
        holders = [holder] if holder else []
        self.right: bool | None = True
        if any(options[key] is not None for key in _CRITERIA):
            self.right = None if holder is None else _is_expected(holder, processes, options, deadline)
        if self.right is False:
            # psutil names one holder. A worker, or the service for which systemd opened the socket, holds it too.
            fellows = [one for one in processes.values() if one != holder and also_holds(one.pid, listener)]
            holders += fellows
            self.right = any(_is_expected(fellow, processes, options, deadline) for fellow in fellows)
        self.holders = [one.shown for one in holders[:_SHOWN]] or ["a process that is not visible here"]
        self.row = {
            "address": listener.address,
            "pids": [one.pid for one in holders[:_SHOWN]],
            "user": user_name(holder.uid) if holder else None,
        }


def _is_expected(
    process: Process, processes: dict[int, Process], options: dict[str, Any], deadline: Deadline
) -> bool:
    if options["user"] is not None and (process.uid is None or process.uid != user_id(options["user"])):
        return False
    if options["unit"] is not None and unit_name(options["unit"]) not in units_of(process.pid):
        return False
    if options["pid_file"] is not None and not _descends(process, pid_from(options["pid_file"]), processes):
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


def _descends(process: Process, ancestor: int, processes: dict[int, Process]) -> bool:
    """Tell whether a process is the one of the pid file, or one of its workers."""
    current: Process | None = process
    for _generation in range(32):
        if current is None or current.pid <= 1:
            return False
        if current.pid == ancestor:
            return True
        current = processes.get(current.parent)
    return False


def unit_name(unit: str) -> str:
    """Return the full name of a unit; without a suffix it is a service."""
    suffixes = (".service", ".socket", ".scope", ".slice", ".timer", ".target", ".mount", ".path", ".device", ".swap")
    return unit if unit.endswith((*suffixes, ".automount")) else f"{unit}.service"


def describe_expected(options: dict[str, Any]) -> str:
    """Return the expected process for people."""
    words = {
        "unit": f"unit {unit_name(options['unit'])}" if options["unit"] else "",
        "pid_file": f"the process of {options['pid_file']}",
        "pattern": f"a process matching {options['pattern']!r}",
        "user": f"user {options['user']}",
    }
    return listed([words[key] for key in _CRITERIA if options[key] is not None] or ["anybody"], "and")
