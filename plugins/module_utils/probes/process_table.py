# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of this host as ``/proc`` shows them: no psutil, and nothing that a process can make up but its argv.

Every fact has its own small file, and any of them may vanish while it is read, because processes end.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import BECOME_HINT, Unchecked

PROC = Path("/proc")
MAX_ARGV_CHARACTERS = 4096
_KERNEL_THREAD = 0x00200000
_ANSIBLE_MARKS = ("AnsiballZ_", "/.ansible/tmp/ansible-tmp-", "ansible_module_")


class Process(NamedTuple):
    """One process that runs; zombies and kernel threads are none.

    :ivar uid: the effective user.
    :ivar name: the name that the kernel keeps, at most 15 characters.
    """

    pid: int
    parent: int
    uid: int
    name: str
    argv: tuple[str, ...]

    @property
    def command_line(self) -> str:
        """The arguments as one text, bounded."""
        return " ".join(self.argv)[:MAX_ARGV_CHARACTERS] if self.argv else self.name

    @property
    def shown(self) -> str:
        """The process for people: program and script. Its other arguments may hold secrets and are not shown."""
        program = os.path.basename(self.argv[0]) if self.argv else self.name
        script = self.argv[1] if len(self.argv) > 1 and not self.argv[1].startswith("-") else ""
        what = f"{program} {os.path.basename(script)}".strip()
        return f"pid {self.pid} ({what}, user {user_name(self.uid)})"


def read_processes(proc: Path = PROC) -> list[Process]:
    """Return every process that runs.

    :raises Unchecked: when this system shows no processes, or hides those of others.
    """
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError as exc:
        raise Unchecked(f"{proc} cannot be read ({exc.strerror})", permanent=True) from exc
    if not pids or not os.path.exists(proc / str(pids[0]) / "stat"):
        raise Unchecked(f"{proc} shows no processes", permanent=True)
    if 1 not in pids:
        raise Unchecked("this user may not see the processes of others (hidepid)", hint=BECOME_HINT, permanent=True)
    found = (read_process(pid, proc) for pid in pids)
    return [process for process in found if process is not None]


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """Return a process, or None when it does not run (any more), or is a zombie or a kernel thread."""
    directory = proc / str(pid)
    try:
        stat = (directory / "stat").read_bytes()
        command = (directory / "cmdline").read_bytes()
        uid = _effective_uid((directory / "status").read_bytes())
    except (OSError, ValueError):
        return None
    # The name stands in parentheses and may hold parentheses and spaces itself.
    head, _parenthesis, tail = stat.rpartition(b")")
    fields = tail.split()
    if len(fields) < 7 or fields[0] in (b"Z", b"X", b"x") or int(fields[6]) & _KERNEL_THREAD:
        return None
    argv = tuple(os.fsdecode(argument) for argument in command.rstrip(b"\0").split(b"\0")) if command else ()
    return Process(pid, int(fields[1]), uid, os.fsdecode(head.partition(b"(")[2]), argv)


def _effective_uid(status: bytes) -> int:
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            return int(line.split()[2])
    raise ValueError("no Uid line")


def executable_of(pid: int, proc: Path = PROC) -> str | None:
    """Return the path of the program of a process, or None when this user may not know it."""
    try:
        return os.readlink(proc / str(pid) / "exe").replace(" (deleted)", "")
    except OSError:
        return None


def units_of(pid: int, proc: Path = PROC) -> set[str]:
    """Return the systemd units (services, scopes, slices) in whose control groups a process is."""
    try:
        text = os.fsdecode((proc / str(pid) / "cgroup").read_bytes())
    except OSError:
        return set()
    return {part for line in text.splitlines() for part in line.split(":", 2)[-1].split("/") if part}


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


def user_id(user: str) -> int | None:
    """Return the number of a user given by name or number, or None when there is no such user."""
    if user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def user_name(uid: int) -> str:
    """Return the name of a user, or the number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def unit_name(unit: str) -> str:
    """Return the full name of a unit; without a suffix it is a service."""
    suffixes = (".service", ".socket", ".scope", ".slice", ".timer", ".target", ".mount", ".path", ".device", ".swap")
    return unit if unit.endswith((*suffixes, ".automount")) else f"{unit}.service"
