# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that runs the clients of databases: streamed, with a deadline, as another user, with secrets out of sight."""

from __future__ import annotations

import os
import pwd
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_PIPE_BYTES = 65536
_MAX_ERROR_BYTES = 16 * 1024
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
_TICK_SECONDS = 0.5

Sink = Callable[[bytes], None]


@dataclass(frozen=True)
class ClientCall:
    """How a client is started.

    :ivar argv: an absolute program and its arguments; never with a secret in it.
    :ivar environment: what its environment holds beside a path, a locale and a home; None takes the variable away.
    :ivar descriptors: open files that it inherits, such as the one that holds a password.
    :ivar run_as: user of the system, or empty for the present one.
    :ivar source: open file that is its standard input.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    descriptors: tuple[int, ...] = ()
    run_as: str = ""
    source: int | None = None


@dataclass(frozen=True)
class ClientResult:
    """What a client did.

    :ivar returncode: its exit status, negative for a signal.
    :ivar output: what it wrote, when nobody else took it; bounded.
    :ivar said: the beginning and the end of what it wrote to its error output.
    :ivar timed_out: the deadline passed and it was ended.
    """

    returncode: int
    output: bytes
    said: str
    timed_out: bool = False


def find_program(names: Sequence[str], directory: str, package: str) -> str:
    """Return the absolute path of the first of the programs that is installed.

    :param directory: where to look; empty means PATH and the places of system programs.
    :raises UpkeepError: naming the program and the package that brings it.
    """
    path = directory or os.pathsep.join((os.environ.get("PATH", "/usr/bin:/bin"), "/usr/sbin", "/sbin"))
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return os.path.abspath(found)
    where = f"in {directory}" if directory else "on this host"
    raise UpkeepError(f"the program {names[0]} is not {where}; install it (Debian: apt install {package})")


def account_of(run_as: str) -> pwd.struct_passwd | None:
    """Return the account to take on, or None when it is the present one.

    :raises UpkeepError: when there is no such user, or this process may not become it.
    """
    if not run_as:
        return None
    try:
        account = pwd.getpwnam(run_as)
    except KeyError:
        raise UpkeepError(f"run_as: there is no user {run_as} on this host; install the server, or name its user") from None
    if account.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise UpkeepError(f"only root can run commands as {run_as}; run with become: true")
    return account


@contextmanager
def secret_file(content: str, run_as: str) -> Iterator[tuple[str, int]]:
    """Give the path and the descriptor of a file that only ``run_as`` can read, and that no disk and no kill leaves behind.

    The path is good in the client that inherits the descriptor.
    """
    descriptor = os.memfd_create("upkeep") if hasattr(os, "memfd_create") else _unnamed()
    try:
        os.fchmod(descriptor, 0o600)
        account = account_of(run_as)
        if account is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
        os.write(descriptor, content.encode("utf-8", "surrogateescape"))
        yield f"/proc/self/fd/{descriptor}", descriptor
    finally:
        os.close(descriptor)


def _unnamed() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def run_client(
    call: ClientCall, *, deadline: float, source: Iterable[bytes] | None = None, sink: Sink | None = None
) -> ClientResult:
    """Run a client to its end.

    :param deadline: moment of ``time.monotonic()`` at which it is ended with all that it started.
    :param source: what it reads; nothing when None.
    :param sink: takes what it writes, as it comes; without it the output is in the result.
    :raises UpkeepError: when it cannot be started.
    :raises Exception: whatever ``source`` or ``sink`` raises; the client is ended before.
    """
    process = _start(call, piped=source is not None)
    output = bytearray()

    def keep(data: bytes) -> None:
        output.extend(data[: _MAX_OUTPUT_BYTES - len(output)])

    said = bytearray()
    try:
        timed_out = _converse(process, deadline, iter(source or ()), sink or keep, said)
        if not timed_out:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                timed_out = True
    finally:
        if process.poll() is None:
            _end(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
    return ClientResult(process.returncode, bytes(output), decode(bytes(said)), timed_out)


def _start(call: ClientCall, *, piped: bool) -> subprocess.Popen[bytes]:
    account = account_of(call.run_as)
    identity: dict[str, Any] = {}
    home, user = os.environ.get("HOME", "/"), None
    if account is not None:
        groups = os.getgrouplist(account.pw_name, account.pw_gid)
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
        home, user = account.pw_dir, account.pw_name
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": home, "LC_ALL": "C"}
    if user:
        environment.update(USER=user, LOGNAME=user)
    stdin: int = subprocess.DEVNULL
    if piped:
        stdin = subprocess.PIPE
    elif call.source is not None:
        stdin = call.source
    try:
        # run_command() streams nothing and becomes nobody else, and this layer knows no module.
        return subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            call.argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, cwd="/",
            env={**environment, **call.environment}, pass_fds=call.descriptors, start_new_session=True, **identity,
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise UpkeepError(f"cannot start {call.argv[0]}: {reason}") from None


def _converse(
    process: subprocess.Popen[bytes], deadline: float, source: Iterator[bytes], sink: Sink, said: bytearray
) -> bool:
    """Feed the client and read what it says until it closes its pipes; return whether time ran out before."""
    pending = memoryview(b"")
    with selectors.DefaultSelector() as selector:
        for pipe, event in (
            (process.stdin, selectors.EVENT_WRITE), (process.stdout, selectors.EVENT_READ), (process.stderr, selectors.EVENT_READ)
        ):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, event)
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return True
            for key, _events in selector.select(min(remaining, _TICK_SECONDS)):
                if key.fileobj is process.stdin:
                    pending = pending or memoryview(next((chunk for chunk in source if chunk), b""))
                    pending, open_still = _write(key.fd, pending)
                    if not open_still:
                        selector.unregister(key.fileobj)
                        process.stdin.close()
                    continue
                data = os.read(key.fd, _PIPE_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    sink(data)
                else:
                    _keep_ends(said, data)
    return False


def _write(descriptor: int, pending: memoryview) -> tuple[memoryview, bool]:
    """Write what the pipe takes; return what is left, and whether to go on."""
    if not pending:
        return pending, False
    try:
        return pending[os.write(descriptor, pending[:_PIPE_BYTES]) :], True
    except BlockingIOError:
        return pending, True
    except BrokenPipeError:
        return memoryview(b""), False  # it wants no more; its exit status says why


def _keep_ends(said: bytearray, data: bytes) -> None:
    """Keep the beginning and the end of what a client says: the first error is the cause, the last one the result."""
    said += data
    if len(said) > 2 * _MAX_ERROR_BYTES:
        said[_MAX_ERROR_BYTES:-_MAX_ERROR_BYTES] = b"\n"


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
