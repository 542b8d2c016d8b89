# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every process as ``/proc`` shows it now. Processes that end meanwhile are no error; what this user may not see is counted."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.socket_tables import Socket, inodes_of, read_sockets
from ansible_collections.upkeep.runbook.plugins.module_utils.proc_folders import living_thread, uids_of
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.scripts import script_argument
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import PROC

MAX_PROCESSES = 50_000
_MAX_BYTES = 128 * 1024
#: Who wants to hide a variable puts much before it.
_MAX_ENVIRONMENT_BYTES = 8 * 1024 * 1024
_DELETED = " (deleted)"
_KERNEL_THREAD = 0x00200000
_PRELOADS = (b"LD_PRELOAD=", b"LD_AUDIT=")

SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "rbash")
#: Many programs in one file; the name by which it is called decides which one runs.
_MANY_IN_ONE = ("busybox", "toybox")
INTERPRETERS = re.compile(r"(?:python|perl|ruby|php|lua|luajit|tclsh|node|nodejs|bun|deno)[\d.]*\Z")
NETWORK_TOOLS = ("nc", "nc.openbsd", "nc.traditional", "ncat", "netcat", "socat", "telnet")


#: The sockets by their inodes, of each network namespace.
_Networks = dict[str, dict[int, Socket]]


@dataclass(frozen=True)
class Seen:
    """One process.

    :ivar name: what the kernel calls it, 15 characters at most; a process may choose it.
    :ivar executable: the program that runs; None of threads of the kernel, and when this user may not know it.
    :ivar deleted: its file is not under that name any more.
    :ivar replaced: another file has the name now.
    :ivar preload: what LD_PRELOAD and LD_AUDIT said when it began.
    :ivar sockets: of interpreters, shells and network tools only.
    :ivar on_standard: one of these is its standard input, output or error.
    :ivar other_network: its network is another one than ours, as in most containers.
    :ivar denied: this user may not look at it.
    """

    pid: int
    parent: int
    name: str
    uid: int
    effective_uid: int
    argv: tuple[str, ...] = ()
    executable: str | None = None
    deleted: bool = False
    replaced: bool = False
    working_directory: str | None = None
    preload: str | None = None
    sockets: tuple[Socket, ...] = ()
    on_standard: bool = False
    other_network: bool = False
    kernel: bool = False
    denied: bool = False
    script: str | None = None
    script_exists: bool = True
    real_first: str | None = None

    @property
    def program(self) -> str:
        """The name of the program that runs."""
        return posixpath.basename(self.executable or "")

    @property
    def tool(self) -> str:
        """What the program does: its name, or that under which a program of many tools was called (``busybox sh``)."""
        if self.program not in _MANY_IN_ONE:
            return self.program
        called = [posixpath.basename(argument.lstrip("-")) for argument in self.argv[:2]]
        return next((name for name in called if name != self.program), self.program)

    @property
    def is_shell(self) -> bool:
        """True of shells, by what really runs."""
        return self.tool in SHELLS

    @property
    def is_interpreter(self) -> bool:
        """True of interpreters, by what really runs."""
        return bool(INTERPRETERS.match(self.program))


@dataclass
class Snapshot:
    """All processes by their pids.

    :ivar vanished: ended while they were looked at. :ivar left_out: processes beyond MAX_PROCESSES.
    """

    processes: dict[int, Seen] = field(default_factory=dict)
    vanished: int = 0
    left_out: int = 0
    sockets_problem: str = ""

    def ancestors(self, process: Seen) -> Iterable[Seen]:
        """Yield the parent, its parent and so on, the first process left out."""
        for _generation in range(64):
            parent = self.processes.get(process.parent)
            if parent is None or parent.pid <= 1:
                return
            yield parent
            process = parent


def take_snapshot(proc: Path = PROC) -> Snapshot:
    """Look at every process.

    :raises OSError: when this system shows none.
    """
    snapshot = Snapshot()
    networks: _Networks = {_network_of(proc / "self"): {}}
    try:
        networks[_network_of(proc / "self")] = _by_inode(proc)
    except OSError as exc:
        snapshot.sockets_problem = exc.strerror or str(exc)
    pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    snapshot.left_out = max(0, len(pids) - MAX_PROCESSES)
    for pid in pids[:MAX_PROCESSES]:
        try:
            snapshot.processes[pid] = _look(proc, pid, networks)
        except (OSError, ValueError, IndexError):
            snapshot.vanished += 1
    return snapshot


def _look(proc: Path, pid: int, networks: _Networks) -> Seen:
    folder = proc / str(pid)
    stat = _read(folder / "stat")
    # The name stands in parentheses and may hold parentheses and spaces itself.
    name, rest = stat[stat.index(b"(") + 1 : stat.rindex(b")")], stat[stat.rindex(b")") + 1 :].split()
    facts = Seen(pid, int(rest[1]), os.fsdecode(name), *uids_of(folder))
    if int(rest[6]) & _KERNEL_THREAD:
        return replace(facts, kernel=True)
    if rest[0] in (b"Z", b"X"):
        thread = living_thread(folder)
        if thread == folder:
            return facts
        folder = thread
    argv = tuple(os.fsdecode(part) for part in _read(folder / "cmdline").split(b"\0") if part)
    try:
        link = os.readlink(folder / "exe")
        preload = _preload(_read(folder / "environ", _MAX_ENVIRONMENT_BYTES))
        working_directory = os.readlink(folder / "cwd")
    except PermissionError:
        return replace(facts, argv=argv, denied=True)
    executable = link[: -len(_DELETED)] if link.endswith(_DELETED) else link
    deleted = link.endswith(_DELETED)
    seen = replace(
        facts, argv=argv, executable=executable, deleted=deleted, preload=preload, working_directory=working_directory,
        replaced=deleted and _exists(folder, executable),
    )
    try:
        return _more(seen, folder, proc, networks)
    except PermissionError:
        return replace(seen, denied=True)


def _more(seen: Seen, folder: Path, proc: Path, networks: _Networks) -> Seen:
    """Add what is asked of some programs only: the script, the sockets, and what the first argument names."""
    script = script_of(seen) if seen.is_shell or seen.is_interpreter else None
    if script:
        seen = replace(seen, script=script, script_exists=_exists(folder, script))
    if seen.argv and seen.argv[0].startswith("/") and seen.argv[0] != seen.executable:
        seen = replace(seen, real_first=_resolved(folder, seen.argv[0], proc))
    if seen.is_shell or seen.is_interpreter or seen.tool in NETWORK_TOOLS:
        held = inodes_of(seen.pid, proc)
        sockets = _sockets_near(folder, networks) if held else {}
        mine = {inode: sockets[inode] for inode in held if inode in sockets}
        seen = replace(
            seen, sockets=tuple(mine.values()), on_standard=any(held[inode] <= 2 for inode in mine),
            other_network=_network_of(folder) != _network_of(proc / "self"),
        )
    return seen


def _network_of(folder: Path) -> str:
    """Return the name of the network namespace of a process."""
    try:
        return os.readlink(folder / "ns/net")
    except FileNotFoundError:
        return ""


def _sockets_near(folder: Path, networks: _Networks) -> dict[int, Socket]:
    """Return the sockets of the network of a process."""
    name = _network_of(folder)
    if name not in networks:
        try:
            networks[name] = _by_inode(folder)
        except FileNotFoundError:
            return {}  # it has ended
    return networks[name]


def _by_inode(folder: Path) -> dict[int, Socket]:
    return {one.inode: one for one in read_sockets(folder) if one.inode}


def script_of(process: Seen) -> str | None:
    """Return the path of the script that an interpreter runs, or None when it runs none that is a file."""
    names_tool = process.tool != process.program and posixpath.basename(process.argv[0]) == process.program  # busybox sh
    argument = script_argument(process.tool, process.argv[2 if names_tool else 1 :])
    if argument is None:
        return None
    return posixpath.normpath(posixpath.join(process.working_directory or "/", argument))


def _exists(folder: Path, path: str) -> bool:
    """Tell whether a path exists where the process sees it (a container has a tree of its own)."""
    try:
        os.lstat(f"{folder}/root{path}")
    except FileNotFoundError:
        return False
    except OSError:
        return True  # nobody knows, so nothing is said
    return True


def _resolved(folder: Path, path: str, proc: Path) -> str | None:
    """Return where a path leads; None when it leads nowhere, or the process sees another tree than ours (a container).

    A service with a tree of its own that runs the very file to which the path leads here is no container.
    """
    try:
        same_tree = os.readlink(folder / "ns/mnt") == os.readlink(proc / "self/ns/mnt")
        if not same_tree and not os.path.samefile(path, folder / "exe"):
            return None
    except OSError:
        return None
    return os.path.realpath(path) if os.path.exists(path) else None


def _preload(environment: bytes) -> str | None:
    for entry in environment.split(b"\0"):
        if entry.startswith(_PRELOADS) and entry.partition(b"=")[2].strip():
            return os.fsdecode(entry[:1000])
    return None


def _read(path: Path, most: int = _MAX_BYTES) -> bytes:
    with path.open("rb") as stream:
        return stream.read(most)
