"""Real journals of systemd: one that a journald of its own keeps, and one with entries of any time and writer, each in a mount namespace."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
JOURNALD = "/lib/systemd/systemd-journald"
IMPORTER = "/lib/systemd/systemd-journal-remote"
_MACHINE_ID = "0123456789abcdef0123456789abcdef"
_NAMESPACE = """
set -eu
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal
mkdir "$1/dev" && mount --rbind /dev "$1/dev" && mount -t tmpfs -o mode=755 tmpfs /dev
for name in null zero random urandom tty; do touch "/dev/$name"; mount --bind "$1/dev/$name" "/dev/$name"; done
ln -s /run/systemd/journal/dev-log /dev/log
echo {machine_id} > "$1/machine-id" && mount --bind "$1/machine-id" /etc/machine-id
exec "$2"
""".replace("{machine_id}", _MACHINE_ID)
#: A journal that is there, and nobody who writes to it.
_IMPORT = """
set -eu
mount -t tmpfs tmpfs /run && mkdir -p "/run/log/journal/{machine_id}"
mount --bind "$1/machine-id" /etc/machine-id
if [ "$3" = container ]; then mkdir -p /run/systemd && touch /run/systemd/container; fi
"$2" --output="/run/log/journal/{machine_id}/system.journal" "$1/export" >&2
echo ready
exec cat
""".replace("{machine_id}", _MACHINE_ID)
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


@dataclass(frozen=True)
class Written:
    """An entry of a journal. :ivar fields: such as MESSAGE; those with a leading underscore a program cannot set itself."""

    seconds_ago: float
    fields: dict[str, str]


@contextmanager
def imported_journal(directory: Path, entries: Sequence[Written], *, installed_seconds_ago: float, container: bool = False) -> Iterator[tuple[str, ...]]:
    """Make a journal of entries; yield the command that runs another one where it is.

    :param directory: empty, for what the namespace needs. :param installed_seconds_ago: how old the host is.
    :param container: systemd says that it runs in one.
    """
    now = time.time()
    written = sorted(entries, key=lambda entry: -entry.seconds_ago)
    with open(directory / "export", "w", encoding="utf-8") as export:
        for number, entry in enumerate(written):
            moment = int((now - entry.seconds_ago) * 1e6)
            fields = {"_BOOT_ID": _MACHINE_ID, "_MACHINE_ID": _MACHINE_ID, **entry.fields}
            export.write(f"__REALTIME_TIMESTAMP={moment}\n__MONOTONIC_TIMESTAMP={number + 1}\n")
            export.writelines(f"{name}={value}\n" for name, value in fields.items())
            export.write("\n")
    machine_id = directory / "machine-id"
    machine_id.write_text(f"{_MACHINE_ID}\n")
    os.utime(machine_id, (0, now - installed_seconds_ago))
    argv = ["unshare", "--mount", "sh", "-c", _IMPORT, "sh", str(directory), IMPORTER, "container" if container else "host"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        if holder.stdout is None or holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the journal was not made: {holder.communicate()[1].decode()}")
        yield ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt")
        holder.communicate()
