"""A real systemd-journald with a journal of its own, in a mount namespace where ``/run`` and ``/dev/log`` are its own too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
JOURNALD = "/lib/systemd/systemd-journald"
_NAMESPACE = """
set -eu
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal
mkdir "$1/dev" && mount --rbind /dev "$1/dev" && mount -t tmpfs -o mode=755 tmpfs /dev
for name in null zero random urandom tty; do touch "/dev/$name"; mount --bind "$1/dev/$name" "/dev/$name"; done
ln -s /run/systemd/journal/dev-log /dev/log
echo 0123456789abcdef0123456789abcdef > "$1/machine-id" && mount --bind "$1/machine-id" /etc/machine-id
exec "$2"
"""
#: Python that takes its process into the namespace.
_ENTER = """
import ctypes, os
assert ctypes.CDLL(None).setns(os.open("/proc/{}/ns/mnt", os.O_RDONLY), 0) == 0
"""


@dataclass
class Journal:
    """A journal that is kept. :ivar enter: Python that takes its process to where it is."""

    process: subprocess.Popen[bytes]
    enter: str

    def log(self, program: str, text: str, *, user: int = 0) -> None:
        """Write a message as a user."""
        as_user = ["setpriv", "--reuid", str(user), "--clear-groups"] if user else []
        self._run([*as_user, "logger", "-t", program, "-p", "auth.info", "--", text])

    def wait_for(self, text: str) -> None:
        """Wait until a text is in the journal."""
        deadline = time.monotonic() + START_SECONDS
        while text not in self._run(["journalctl", "--no-pager", "--output=cat"]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{text!r} did not reach the journal")
            time.sleep(0.05)

    def _run(self, argv: list[str]) -> str:
        inside = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", *argv]
        return subprocess.run(inside, check=True, capture_output=True, text=True).stdout


@contextmanager
def journal_server(directory: Path) -> Iterator[Journal]:
    """Start it; :param directory: empty, for what the namespace needs."""
    argv = ["unshare", "--mount", "sh", "-c", _NAMESPACE, "sh", str(directory), JOURNALD]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        socket = Path(f"/proc/{process.pid}/root/run/systemd/journal/dev-log")
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists():
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("systemd-journald does not start")
            time.sleep(0.05)
        yield Journal(process, _ENTER.format(process.pid))
    finally:
        process.terminate()
        process.wait(30)
