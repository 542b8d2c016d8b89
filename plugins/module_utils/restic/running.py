# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that starts restic: its output is given on line by line, and it ends when the caller does."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

#: A repository of a hundred thousand snapshots lists them in one line of this size.
_MAX_LINE_BYTES = 64 * 1024 * 1024
_MAX_ERROR_LINE = 2000
_KEPT_LINES = 60
#: restic asked to end removes its lock from the repository, which may be far away.
_END_SECONDS = 20.0
_CHUNK_BYTES = 256 * 1024
_PR_SET_PDEATHSIG = 1


@dataclass
class Said:
    """Lines that restic wrote as errors: the first and the last of them, since either may hold the reason."""

    first: list[str] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def add(self, line: bytes) -> None:
        text = plain(decode(line[: _MAX_ERROR_LINE * 2]), _MAX_ERROR_LINE)
        if text:
            (self.first if len(self.first) < _KEPT_LINES else self.last).append(text)

    @property
    def lines(self) -> list[str]:
        return [*self.first, *self.last]


@dataclass(frozen=True)
class Ran:
    """How restic ended.

    :ivar returncode: its exit status, negative for a signal, None when it could not be started.
    :ivar errors: lines of its error output, bounded.
    :ivar timed_out: the deadline passed, and it was ended.
    :ivar problem: why it could not be started, or an empty text.
    """

    returncode: int | None
    errors: tuple[str, ...]
    timed_out: bool = False
    problem: str = ""


def run_restic(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    password: bytes | None,
    deadline: float,
    on_line: Callable[[bytes], None],
    on_error: Callable[[bytes], None] | None = None,
    directory: str = "/",
) -> Ran:
    """Run restic to its end, or to the deadline; nothing that it does raises.

    :param password: given through a file that has no name and is gone with the process; None when the environment says
        where it is.
    :param deadline: of the monotonic clock.
    :param on_line: gets each line of its output, without the line feed.
    :param on_error: gets each line of its error output besides.
    """
    # A variable of the caller's session, such as RESTIC_PASSWORD_COMMAND, must not decide which repository it is.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RESTIC_")}
    own: dict[str, str] = {**inherited, **environment, "LC_ALL": "C"}
    secret = -1
    try:
        if password is not None:
            secret = os.memfd_create("restic-password")
            os.write(secret, password)
            own["RESTIC_PASSWORD_FILE"] = f"/proc/self/fd/{secret}"
        # run_command() has no deadline and gives nothing on while the command runs; the caller has one thread only.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,subprocess-popen-preexec-fn
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=own, cwd=directory,
            start_new_session=True, pass_fds=() if secret < 0 else (secret,), preexec_fn=_end_with(os.getpid()),
        )
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return Ran(None, (), problem=f"{argv[0]}: {reason}")
    finally:
        if secret >= 0:
            os.close(secret)
    said = Said()

    def error(line: bytes) -> None:
        said.add(line)
        if on_error:
            on_error(line)

    with process:
        timed_out = _give_on(process, (on_line, error), deadline)
        if timed_out:
            _end(process)
    return Ran(process.returncode, tuple(said.lines), timed_out=timed_out)


def _end_with(parent: int) -> Callable[[], None]:
    """Return what makes a child get SIGINT when its parent ends, so that a killed run leaves no restic at work."""
    library = ctypes.CDLL(None)

    def arrange() -> None:
        # Who starts Ansible in the background of a script has it ignored, and what is started then ignores it, too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != parent:  # it ended just before
            os._exit(1)

    return arrange


def _give_on(process: subprocess.Popen[bytes], takers: Sequence[Callable[[bytes], None]], deadline: float) -> bool:
    """Give the lines of both pipes on until both end; return whether the deadline passed before."""
    begun = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for index, pipe in enumerate((process.stdout, process.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, index)
        while selector.get_map():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return True
            for key, _events in selector.select(remaining):
                data = os.read(key.fd, _CHUNK_BYTES)
                if data:
                    _split(begun[key.data], data, takers[key.data])
                    continue
                selector.unregister(key.fileobj)
                if begun[key.data]:
                    takers[key.data](bytes(begun[key.data]))
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return True
    return False


def _split(begun: bytearray, data: bytes, take: Callable[[bytes], None]) -> None:
    """Add data to a line that has begun, and give the lines on that have ended; what is too long is cut."""
    *whole, rest = data.split(b"\n")
    for line in whole:
        take(bytes(begun) + line if begun else line)
        begun.clear()
    begun += rest[: max(0, _MAX_LINE_BYTES - len(begun))]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask restic to end, as it then removes its lock; kill it and what it started when it does not."""
    for number, seconds in ((signal.SIGINT, _END_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            continue
