# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling the writer of a log that its file moved: whom, whether that is safe, and doing it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import stat
import time
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import is_running, process_title, unit_of, user_id
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.pm2 import list_command
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Reopen
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import PROC
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_MAX_PID_FILE_BYTES = 64
_PID_FILE_SLACK_SECONDS = 60


class Untold(Exception):
    """The writer cannot be told; the message is the end of a sentence that says why."""


@dataclass
class Addressee:
    """Who is told that a log moved.

    :ivar pids: the processes that get the signal; empty when nobody runs who could be told.
    :ivar pidfds: of the same processes, so that no other one that got the number later is struck.
    """

    reopen: Reopen
    pids: list[int] = field(default_factory=list)
    pidfds: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the processes."""
        while self.pidfds:
            os.close(self.pidfds.pop())


def find_addressee(reopen: Reopen, writers: set[int], *, written: bool) -> Addressee:
    """Return who will be told. Nothing is sent yet.

    :param writers: the processes that are seen to have the logs open for writing.
    :param written: somebody has, seen or not.
    :raises Untold: when there is nobody to tell although somebody writes, or telling would end a process.
    """
    if reopen.way != "signal":
        return Addressee(reopen)
    if reopen.pid_file:
        pids = _from_pid_file(reopen.pid_file)
        if not writers.issuperset(pids):
            _refuse_younger(pids[0], reopen.pid_file)
    elif reopen.unit:
        pids = _of_unit(reopen.unit, writers)
    else:
        pids = _of_pattern(reopen.process, reopen.user, writers) if written else []
    if not pids and written:
        who = f"process {min(writers)}" if writers else "a process that cannot be seen from here"
        raise Untold(f"{reopen.target} names no process that runs, and {who} writes to it")
    addressee = Addressee(reopen)
    number = getattr(signal, f"SIG{reopen.signal}")
    try:
        for pid in pids:
            addressee.pidfds.append(os.pidfd_open(pid))
            refuse_deadly(pid, number, reopen.signal)
            addressee.pids.append(pid)
    except ProcessLookupError:
        addressee.close()
        raise Untold(f"{reopen.target} ended just now") from None
    except OSError as exc:
        addressee.close()
        raise Untold(f"{reopen.target} cannot be addressed ({exc.strerror})") from exc
    except Untold:
        addressee.close()
        raise
    return addressee


def refuse_deadly(pid: int, number: int, name: str, proc: str = PROC) -> None:
    """Raise unless the process handles the signal: most signals end a process that does not.

    :raises Untold: naming the process.
    """
    try:
        with open(f"{proc}/{pid}/status", encoding="utf-8", errors="replace") as stream:
            masks = {line.split(":")[0]: line.split()[1] for line in stream if line.startswith(("SigCgt:", "SigIgn:"))}
        caught, ignored = (int(masks[key], 16) >> (number - 1) & 1 for key in ("SigCgt", "SigIgn"))
    except (OSError, KeyError, ValueError, IndexError):
        raise Untold(f"it cannot be seen whether process {pid} handles SIG{name}") from None
    if ignored:
        raise Untold(f"process {pid} ignores SIG{name}")
    if not caught:
        raise Untold(f"process {pid} does not handle SIG{name}, which would end it")


def _from_pid_file(path: str) -> list[int]:
    """Return the process that a pid file names; a file that is not root's may only name a process of its owner."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise Untold(f"the pid file {plain(path, 150)} cannot be read ({exc.strerror})") from exc
    try:
        status = os.fstat(descriptor)
        text = os.read(descriptor, _MAX_PID_FILE_BYTES).decode("ascii", "replace") if stat.S_ISREG(status.st_mode) else ""
    finally:
        os.close(descriptor)
    if not re.fullmatch(r"\s*[1-9]\d{0,9}\s*", text, re.ASCII) or int(text) == 1:
        raise Untold(f"the pid file {plain(path, 150)} holds no process id")
    pid = int(text)
    if not is_running(pid):
        return []
    others_write = stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH)
    if others_write or (status.st_uid != 0 and _owner_of(pid) != status.st_uid):
        raise Untold(f"the pid file {plain(path, 150)} may be written by others than root and names a process that is not theirs")
    return [pid]


def _refuse_younger(pid: int, path: str) -> None:
    """Raise when a process began after its pid file was written: it got the number of one that ended without removing it.

    A process that writes to the logs is not asked: a clock that was put forward makes every process look younger.
    """
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as stream:
            began = int(stream.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        written = time.time() - os.stat(path, follow_symlinks=False).st_mtime
    except (OSError, ValueError, IndexError):
        raise Untold(f"it cannot be seen when process {pid} began") from None
    if age + _PID_FILE_SLACK_SECONDS < written:
        raise Untold(f"the pid file {plain(path, 150)} is older than process {pid}, which has got that number since")


def _of_unit(unit: str, writers: set[int]) -> list[int]:
    """Return the main process of a unit; of a unit without one, its processes that write."""
    argv = ["systemctl", "show", "--no-pager", "--property=MainPID,LoadState", "--", unit]
    result = run_command(argv, timeout_seconds=15.0)
    if not result.succeeded:
        said = plain(result.problem or result.stderr, 150).rstrip(".")
        raise Untold(f"systemd does not tell the process of {unit} ({said or 'no answer'})")
    pairs = dict(line.partition("=")[::2] for line in result.stdout.splitlines())
    if pairs.get("LoadState") == "not-found":
        raise Untold(f"there is no unit {unit}")
    main = int(pairs.get("MainPID") or 0)
    return [main] if main > 1 else sorted(pid for pid in writers if unit_of(pid) == unit)


def _of_pattern(pattern: str, user: str, writers: set[int]) -> list[int]:
    """Return the processes whose command line fits: those that write themselves, or else all that may stand for them.

    When nobody writes nobody need be told, and a pattern may fit more than it was meant for.
    """
    wanted = re.compile(pattern)
    uid = user_id(user) if user else None
    if user and uid is None:
        raise Untold(f"this host has no user {user}")
    found = []
    for name in os.listdir(PROC):
        if not name.isdigit() or int(name) in (1, os.getpid(), os.getppid()):
            continue
        argv = command_line(int(name))
        if argv and wanted.search(" ".join(argv)) and (uid is None or _owner_of(int(name)) == uid):
            found.append(int(name))
    return sorted(set(found) & writers) or sorted(found)


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process; none of one that ended or of the kernel."""
    try:
        with open(f"{PROC}/{pid}/cmdline", "rb") as stream:
            return [os.fsdecode(part) for part in stream.read(65536).split(b"\0") if part]
    except OSError:
        return []


def shown(pid: int) -> str:
    """Return a process for people, without its arguments: they may be secrets."""
    argv = command_line(pid)
    return f"process {pid} ({process_title('', argv)})" if argv else f"process {pid}"


def _owner_of(pid: int) -> int | None:
    try:
        return os.stat(f"{PROC}/{pid}").st_uid
    except OSError:
        return None


def tell(addressee: Addressee, timeout_seconds: float) -> None:
    """Tell the writer.

    :raises Untold: when it could not be told.
    """
    reopen = addressee.reopen
    if reopen.way == "signal":
        number = getattr(signal, f"SIG{reopen.signal}")
        for pid, pidfd in zip(addressee.pids, addressee.pidfds):
            try:
                signal.pidfd_send_signal(pidfd, number)
            except ProcessLookupError:
                continue  # it ended, and with it its hold on the log
            except PermissionError as exc:
                raise Untold(f"this user may not send a signal to {shown(pid)}; run with become: true") from exc
    elif reopen.way == "pm2":
        _tell_pm2(reopen.user, timeout_seconds)
    elif reopen.way == "command":
        result = run_command(reopen.command, timeout_seconds=timeout_seconds)
        _require_success(result.succeeded, plain(reopen.command[0], 100), result.timed_out, result.problem or result.stderr)


def _tell_pm2(user: str, timeout_seconds: float) -> None:
    try:
        account = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise Untold(f"this host has no user {user or os.geteuid()}") from None
    pm2_home = os.path.join(account.pw_dir, ".pm2")
    try:
        pids = _from_pid_file(os.path.join(pm2_home, "pm2.pid"))
    except Untold:
        pids = []
    if not pids:
        return  # pm2 would start a daemon only to tell it; nobody writes
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/bin"
    if shutil.which("pm2", path=path) is None:
        raise Untold("PM2 is not installed on this host")
    listing = list_command("pm2", user or None, account.pw_dir, pm2_home, own_uid=os.geteuid(), uid=account.pw_uid)
    argv = [*listing[:-1], "reloadLogs"]
    environment = {"HOME": account.pw_dir, "PM2_HOME": pm2_home, "PM2_DISCRETE_MODE": "true", "PATH": path}
    result = run_command(argv, timeout_seconds=timeout_seconds, environment=environment)
    _require_success(result.succeeded, "pm2 reloadLogs", result.timed_out, result.problem or result.stderr or result.stdout)


def _require_success(succeeded: bool, what: str, timed_out: bool, said: str) -> None:
    if not succeeded:
        why = "did not end in time" if timed_out else f"failed ({plain(said, 150).rstrip('.') or 'it said nothing'})"
        raise Untold(f"{what} {why}")
