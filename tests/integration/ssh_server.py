"""An sshd of our own on 127.0.0.1, with keys of its own, ended by its process."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60.0
_PRIVILEGE_SEPARATION = Path("/run/sshd")


@contextmanager
def ssh_server(directory: Path, name: str, settings: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Start it, and yield its process.

    :param directory: empty, for its keys and settings; ``ssh -F directory/ssh.conf name`` reaches it then.
    :param settings: further lines of its settings.
    """
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/user.pub\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n{settings}"
    )
    (directory / "known").write_text(f"[127.0.0.1]:{port} {(directory / 'host.pub').read_text()}")
    (directory / "ssh.conf").write_text(
        f"Host {name}\n HostName 127.0.0.1\n Port {port}\n User {getpass.getuser()}\n IdentityFile {directory}/user\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {directory}/known\n"
    )
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "sshd"
    argv = [program, "-D", "-e", "-f", str(directory / "sshd.conf")]
    if os.geteuid() == 0 and not _PRIVILEGE_SEPARATION.exists():
        # Seen by this server only.
        script = f'mount -t tmpfs tmpfs /run && mkdir -m 755 {_PRIVILEGE_SEPARATION} && exec "$@"'
        argv = ["unshare", "--mount", "sh", "-c", script, "sh", *argv]
    with open(directory / "log", "wb") as log:
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(port, server, directory / "log")
        yield server
    finally:
        end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """End it; nothing answers at its port then."""
    server.terminate()
    server.wait(30)


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.05)
