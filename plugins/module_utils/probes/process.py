# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The process probe: enough processes, and not too many, run a program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found_in
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import (
    BECOME_HINT,
    STOPPED,
    Process,
    executable_of,
    is_running,
    read_processes,
    user_id,
)

_ANSIBLE_MARKS = ("AnsiballZ_", "/.ansible/tmp/ansible-tmp-", "ansible_module_")
_SHOWN_PIDS = 20


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    parts = []
    if options["pattern"] is not None:
        parts.append(f"matching '{options['pattern']}'")
    if options["exe"] is not None:
        parts.append(f"running {options['exe']}")
    if options["user"] is not None:
        parts.append(f"of user {options['user']}")
    return f"Processes {' '.join(parts)}"


def probe_process(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Count the processes that match every criterion, without the probe itself and whatever started it."""
    processes = read_processes()
    excluded = own_processes(processes, os.getpid())
    matching = [process for process in processes if process.runs and process.pid not in excluded]
    if options["user"] is not None:
        uid = user_id(options["user"])
        matching = [process for process in matching if uid is not None and process.uid == uid]
    if options["pattern"] is not None:
        marks = found_in(options["pattern"], [process.command_line for process in matching], deadline)
        matching = [process for process, mark in zip(matching, marks) if mark]
    if options["exe"] is not None:
        matching = _running(matching, options["exe"], options["minimum"], options["maximum"])
    return judge(
        options, [process.pid for process in matching], stopped=sum(process.state == STOPPED for process in matching)
    )


def _running(processes: list[Process], program: str, minimum: int, maximum: int | None) -> list[Process]:
    """Return the processes that run a program.

    :raises Unchecked: when this user may not see what others run, and those could change the verdict.
    """
    wanted = os.path.realpath(program)
    programs = {process: executable_of(process.pid) for process in processes}
    matching = [process for process, path in programs.items() if path in (wanted, program)]
    enough = len(matching) >= minimum if maximum is None else len(matching) > maximum
    # One that ended meanwhile has no program either.
    if not enough and any(path is None and is_running(process.pid) for process, path in programs.items()):
        raise Unchecked("this user may not see which program other users run", hint=BECOME_HINT, permanent=True)
    return matching


def own_processes(processes: Sequence[Process], own_pid: int) -> set[int]:
    """Return what a pattern must never match: this process, its ancestors, and everything that is Ansible itself.

    The pattern stands in the arguments of an ``ansible`` call, and in those of the ssh, sudo and shell around it.
    Other forks of the same call, for other hosts, are no ancestors; they are known by their arguments.
    """
    parents = {process.pid: process.parent for process in processes}
    excluded = {own_pid}
    pid = own_pid
    while pid in parents and parents[pid] > 1 and parents[pid] not in excluded:
        pid = parents[pid]
        excluded.add(pid)
    return excluded | {process.pid for process in processes if is_ansible(process.argv)}


def is_ansible(argv: Iterable[str]) -> bool:
    """Tell whether arguments are those of an Ansible program or of a module on its way."""
    arguments = list(argv)
    programs = [os.path.basename(argument) for argument in arguments[:2]]
    if any(program == "ansible" or program.startswith("ansible-") for program in programs):
        return True
    return any(mark in argument for argument in arguments for mark in _ANSIBLE_MARKS)


def judge(options: dict[str, Any], pids: list[int], *, stopped: int = 0) -> Outcome:
    """Return the outcome for the processes that were found.

    :param stopped: how many of them stand still (SIGSTOP, job control); they are there, but do no work.
    """
    count, minimum, maximum = len(pids), options["minimum"], options["maximum"]
    some = ", ".join(str(pid) for pid in pids[:5]) + (", …" if count > 5 else "")
    summary = f"{target_of(options)}: {count}" + (f" (pid {some})" if pids else "")
    if stopped:
        summary += f", {stopped} stopped by a signal"
    details = {"count": count, "pids": pids[:_SHOWN_PIDS]}
    status = OK
    if count - stopped < minimum:
        status, summary = CRITICAL, f"{summary}; at least {minimum} expected"
    elif maximum is not None and count > maximum:
        status, summary = CRITICAL, f"{summary}; at most {maximum} expected"
    return Outcome(status, f"{summary}.", value=count, unit="processes", details=details)
