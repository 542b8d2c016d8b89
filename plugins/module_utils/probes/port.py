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
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.dual_stack import ipv6_only
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome, Unchecked, listed
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.pid_files import pid_in
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.unit import names_of
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
    unmapped,
    user_id,
    user_name,
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
    listeners = reached(listeners, options["port"], options["address"])
    if not listeners:
        return _no_listener(options)
    expectation = _Expectation(options, processes, deadline)
    verdicts = [_Socket(listener, processes, expectation) for listener in listeners]
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
    if not reached(kernel_listeners(), options["port"], options["address"]):
        return _no_listener(options)
    return Outcome(OK, f"{target_of(options)} has a listener.", details={"listeners": []})


def reached(listeners: list[Listener], port: int, address: str | None) -> list[Listener]:
    """Return the listeners at a port that connections to the address reach; to any address when it is None.

    :raises Unchecked: when the kernel does not tell of one on ``::`` whether it serves an IPv4 address.
    """
    serving = [one for one in listeners if one.port == port and one.serves(address)]
    if address is None or ":" in address or all(one.address != "::" for one in serving) or not ipv6_only(port):
        return serving
    return [one for one in serving if one.address != "::"]


def kernel_listeners(proc: Path = PROC) -> list[Listener]:
    """Return the sockets that listen, from the tables of the kernel, which do not say who holds them.

    :raises Unchecked: when this system has no such tables.
    """
    rows: list[list[str]] = []
    try:
        for table in proc.glob("net/tcp*"):
            rows += [line.split() for line in table.read_text("ascii", "replace").splitlines()]
    except OSError as exc:
        raise Unchecked(f"the socket tables cannot be read ({exc.strerror})", permanent=True) from exc
    if not rows:
        raise Unchecked(f"this system has no {proc}/net/tcp", permanent=True)
    places = [row[1].partition(":") for row in rows if len(row) > 3 and row[3] == _LISTEN]
    return [Listener(_read_address(address), int(port, 16), None, -1) for address, _colon, port in places]


def _read_address(text: str) -> str:
    """Return an address that the kernel wrote: words of 32 bits in the byte order of the machine, in hexadecimal."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return unmapped(socket.inet_ntop(socket.AF_INET6 if len(words) == 4 else socket.AF_INET, packed))


class _Expectation:
    """Who should hold the socket."""

    def __init__(self, options: dict[str, Any], processes: dict[int, Process], deadline: Deadline) -> None:
        self._options = options
        self._processes = processes
        self._deadline = deadline
        self._unit_names: set[str] = set()
        self.is_given = any(options[key] is not None for key in _CRITERIA)

    def is_met_by(self, process: Process) -> bool:
        """Tell whether a process is the expected one."""
        user, pid_file, pattern = (self._options[key] for key in ("user", "pid_file", "pattern"))
        if user is not None and (process.uid is None or process.uid != user_id(user)):
            return False
        if pid_file is not None and not _descends(process, pid_from(pid_file), self._processes):
            return False
        if pattern is not None and not found(pattern, process.command_line, self._deadline):
            return False
        return self._options["unit"] is None or self._is_in_unit(process, unit_name(self._options["unit"]))

    def _is_in_unit(self, process: Process, unit: str) -> bool:
        units = units_of(process.pid)
        if unit in units:
            return True
        # The control group has the first name of the unit, and the name that was given may be an alias.
        self._unit_names = self._unit_names or names_of(unit, self._deadline)
        return not self._unit_names.isdisjoint(units)


class _Socket:
    """One listening socket and who holds it.

    :ivar right: it belongs to the expected process; None when that cannot be told.
    """

    def __init__(self, listener: Listener, processes: dict[int, Process], expectation: _Expectation) -> None:
        holder = processes.get(listener.pid or 0)
        holders = [holder] if holder else []
        self.right: bool | None = True
        if expectation.is_given:
            self.right = None if holder is None else expectation.is_met_by(holder)
        if self.right is False:
            # psutil names one holder. A worker, or the service for which systemd opened the socket, holds it too.
            fellows = [one for one in processes.values() if one != holder and also_holds(one.pid, listener)]
            holders += fellows
            self.right = any(expectation.is_met_by(fellow) for fellow in fellows)
        self.holders = [one.shown for one in holders[:_SHOWN]] or ["a process that is not visible here"]
        self.row = {
            "address": listener.address,
            "pids": [one.pid for one in holders[:_SHOWN]],
            "user": user_name(holder.uid) if holder else None,
        }


def pid_from(pid_file: str) -> int:
    """Return the process id in a pid file.

    :raises Unchecked: when the file cannot be read or holds no process id.
    """
    try:
        pid = pid_in(pid_file)
    except OSError as exc:
        hint = BECOME_HINT if isinstance(exc, PermissionError) else "Correct pid_file, or let the service write it."
        raise Unchecked(f"the pid file {pid_file} cannot be read ({exc.strerror})", hint=hint) from exc
    if pid is None:
        raise Unchecked(f"the pid file {pid_file} holds no process id")
    return pid


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
