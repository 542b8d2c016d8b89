# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of this host and its TCP listeners, as psutil shows them. Nothing else in the collection asks psutil.

psutil is loaded by the first question, since importing it costs and many calls never ask. What psutil does not tell
(control groups, which program really runs) is read from ``/proc``.
"""

from __future__ import annotations

import os
import posixpath
import pwd
import re
import sys
import threading
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Generic, NamedTuple, TypeVar

from ansible_collections.upkeep.runbook.plugins.module_utils.proc_folders import executable_in, is_alive, link_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

PROC = Path("/proc")
INSTALL_HINT = "Install it with: ansible-playbook upkeep.runbook.prepare (Debian and Ubuntu: apt install python3-psutil)"
BECOME_HINT = "Run the task with become: true, so that it may look at processes of other users."
MAX_PROCESSES = 50_000
MAX_ARGV_CHARACTERS = 4096
ZOMBIE, STUCK, STOPPED = "zombie", "disk-sleep", "stopped"

_FACTS = ["pid", "ppid", "uids", "name", "cmdline", "status", "create_time", "cpu_times", "memory_info"]

#: What an interpreter runs is told only when it looks like a script: other arguments may be secrets.
_SCRIPT = re.compile(r"[^\s=]+\.(?:[cm]?[jt]s|py|rb|pl|php|sh)$")
_PATH = re.compile(r"/[^\s=]+$")
_INTERPRETERS = re.compile(r"(?:node|nodejs|bun|deno|python|ruby|perl|php|sh|bash|dash|zsh)[\d.]*$")

T = TypeVar("T")


class Unseen(Exception):
    """The processes cannot be seen; the message is a part of a sentence that says why.

    :param hint: how to mend it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Process(NamedTuple):
    """One process; a pid and the time it began are one process, a pid alone is not.

    :ivar uid: the effective user.
    :ivar state: a word of psutil, such as ``sleeping``.
    :ivar created: seconds since 1970.
    :ivar has_memory: false of threads of the kernel.
    """

    pid: int
    parent: int
    uid: int | None
    name: str
    argv: tuple[str, ...]
    state: str
    created: float
    cpu_seconds: float
    rss_bytes: int
    has_memory: bool

    @property
    def runs(self) -> bool:
        """False of zombies and threads of the kernel."""
        return self.has_memory and self.state != ZOMBIE

    @property
    def command_line(self) -> str:
        """The arguments as one text, bounded; for comparing, since they may hold secrets."""
        return " ".join(self.argv)[:MAX_ARGV_CHARACTERS] if self.argv else self.name

    @property
    def shown(self) -> str:
        """The process for people."""
        return f"pid {self.pid} ({process_title(self.name, self.argv)}, user {user_name(self.uid)})"


class Listener(NamedTuple):
    """One listening TCP socket.

    :ivar pid: a process that holds it, there may be more; None when none is seen.
    """

    address: str
    port: int
    pid: int | None
    descriptor: int

    def serves(self, address: str | None) -> bool:
        """Tell whether connections to the address reach this socket.

        One on all addresses serves each of them, but 0.0.0.0 no IPv6 address. That one on :: serves IPv4 too is what
        it usually does; a socket for IPv6 only looks the same here.
        """
        wildcards = ("::",) if address is not None and ":" in address else ("0.0.0.0", "::")
        return address is None or self.address in (address, *wildcards)


def load_psutil() -> ModuleType:
    """Return psutil.

    :raises Unseen: when it is not installed for this Python.
    """
    try:
        import psutil
    except ImportError:
        raise Unseen(f"psutil is not installed for {sys.executable}", hint=INSTALL_HINT) from None
    return psutil


def _ask(question: Callable[[ModuleType], T]) -> T:
    psutil = load_psutil()
    try:
        return question(psutil)
    except (OSError, RuntimeError, psutil.Error) as exc:
        raise Unseen(f"this system does not show its processes ({plain(str(exc), 200)})") from exc


def _read_processes() -> list[Process]:
    found = _ask(_look)
    if all(process.pid != 1 for process in found):
        raise Unseen("this user may not see the processes of others (hidepid)", hint=BECOME_HINT)
    return found


def _look(psutil: ModuleType) -> list[Process]:
    # psutil.process_iter() remembers processes, and leaves out one whose pid belonged to another one at the last look.
    found = []
    for pid in islice(psutil.pids(), MAX_PROCESSES):
        try:
            found.append(_process(psutil.Process(pid).as_dict(_FACTS)))
        except psutil.NoSuchProcess:
            pass  # it ended meanwhile
    return found


def _process(facts: dict[str, Any]) -> Process:
    """Return a process of what psutil says; a fact that this user may not know is None there."""
    uids, times, memory = facts["uids"], facts["cpu_times"], facts["memory_info"]
    return Process(
        facts["pid"], facts["ppid"] or 0, uids.effective if uids else None, facts["name"] or "",
        tuple(facts["cmdline"] or ()), facts["status"] or "", facts["create_time"] or 0.0,
        times.user + times.system if times else 0.0, memory.rss if memory else 0, bool(memory and memory.vms),
    )


def _read_listeners() -> list[Listener]:
    return [
        Listener(unmapped(socket.laddr.ip), socket.laddr.port, socket.pid, socket.fd)
        for socket in _ask(lambda psutil: psutil.net_connections(kind="tcp"))
        if socket.status == "LISTEN"
    ]


def unmapped(address: str) -> str:
    """Return the IPv4 address that stands in an IPv6 one (``::ffff:127.0.0.1``), or the address as it is."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


class _Shared(Generic[T]):
    """A look that threads share: whoever asks gets one that began after the question, and no older one."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._last: tuple[float, T] | None = None

    def get(self) -> T:
        asked = time.monotonic()
        with self._lock:
            if self._last is None or self._last[0] <= asked:
                began = time.monotonic()
                self._last = (began, self._look())
            return self._last[1]


_processes = _Shared(_read_processes)
_listeners = _Shared(_read_listeners)


def read_processes() -> list[Process]:
    """Return every process there is now, in the order of their pids; many threads may ask at once.

    :raises Unseen: when psutil is missing, or this system hides them.
    """
    return _processes.get()


def read_listeners() -> list[Listener]:
    """Return every socket that listens now in this network namespace; many threads may ask at once.

    :raises Unseen: when psutil is missing, or this system does not show them.
    """
    return _listeners.get()


def proportional_bytes(pid: int) -> int | None:
    """Return the memory of a process with its share of what it shares (PSS), or None when this user may not know it."""
    psutil = load_psutil()
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (OSError, AttributeError, psutil.Error):
        return None


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not. This works without psutil."""
    try:
        return is_alive(PROC / str(pid))
    except OSError:
        return False


def also_holds(pid: int, listener: Listener) -> bool:
    """Tell whether a process holds the socket too: psutil names one holder, but systemd and workers share theirs."""
    socket = link_of(PROC / str(listener.pid) / "fd" / str(listener.descriptor))
    try:
        return socket is not None and any(link_of(entry.path) == socket for entry in os.scandir(PROC / str(pid) / "fd"))
    except OSError:
        return False


def executable_of(pid: int) -> str | None:
    """Return the program that a process runs, or None when this user may not know it. psutil would guess then."""
    return executable_in(PROC / str(pid))


def units_of(pid: int) -> list[str]:
    """Return the systemd slices, services and scopes in whose control groups a process is, the innermost last."""
    try:
        text = os.fsdecode((PROC / str(pid) / "cgroup").read_bytes())
    except OSError:
        return []
    for line in text.splitlines():
        hierarchy, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if (hierarchy == "0" or controllers == "name=systemd") and path.strip("/"):
            return [part for part in path.split("/") if part]
    return []


def unit_of(pid: int) -> str | None:
    """Return the service or scope that a process belongs to, or None."""
    units = [unit for unit in units_of(pid) if unit.endswith((".service", ".scope"))]
    return plain(units[-1], 100) if units else None


def process_title(name: str, argv: Sequence[str]) -> str:
    """Return a name that tells one service from another: the program, and the script when it is an interpreter.

    Other arguments are left out: people put passwords there.
    """
    arguments = [argument for argument in argv if argument]
    if not arguments:
        return plain(name, 100)
    # A process may rewrite its arguments into one text ("nginx: worker process"); its first word is its name then.
    program = posixpath.basename(arguments[0].split(" ")[0].rstrip(":")) or name
    if _INTERPRETERS.match(program):
        scripts = [argument for argument in arguments[1:] if _SCRIPT.match(argument)]
        if arguments[1:] and _PATH.match(arguments[1]):
            scripts.insert(0, arguments[1])
        if scripts:
            return plain(f"{program} {posixpath.basename(scripts[0])}", 100)
    return plain(program, 100)


def user_id(user: str) -> int | None:
    """Return the number of a user given by name or number, or None when there is no such user."""
    if user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def user_name(uid: int | None) -> str | None:
    """Return the name of a user, or the number when it has none."""
    if uid is None:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
