"""A real sshd with PAM on 127.0.0.1 that takes passwords, and a syslog of our own that takes what it writes.

Its accounts, PAM settings and ``/dev/log`` exist in a mount namespace of its own; those of this machine stay as they are.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
USER, PASSWORD = "upkeep-alice", "the right one"
_PAM = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\npassword required pam_deny.so\n"
#: Shell lines that let sshd find its folder and a ``/dev/log`` of ours; ``$1`` is a folder with the socket ``log.socket``.
DEVICES = """
set -eu
mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd
mkdir "$1/dev" && mount --rbind /dev "$1/dev" && mount -t tmpfs -o mode=755 tmpfs /dev
for name in null zero random urandom tty; do touch "/dev/$name"; mount --bind "$1/dev/$name" "/dev/$name"; done
mkdir /dev/pts && mount --bind "$1/dev/pts" /dev/pts
ln -s pts/ptmx /dev/ptmx && ln -s /proc/self/fd /dev/fd && ln -s "$1/log.socket" /dev/log
"""
_NAMESPACE = f"""{DEVICES}
for name in passwd shadow group; do
    cat "/etc/$name" "$1/$name" > "$1/whole-$name" && mount --bind "$1/whole-$name" "/etc/$name"
done
for name in sshd su; do mount --bind "$1/pam" "/etc/pam.d/$name"; done
exec "$2" -D -f "$1/sshd.conf"
"""


@dataclass
class LoginServer:
    """A server that runs. :ivar log: what its syslog wrote, with traditional dates."""

    directory: Path
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def login(self, user: str, password: str, *, prompts: int = 1, key: str = "", command: str = "true") -> int:
        """Log in as a person would, and return the exit status; :param key: file of a key, tried instead of a password."""
        answer = self.directory / "answer"
        answer.write_text(f"#!/bin/sh\necho {shlex.quote(password)}\n")
        answer.chmod(0o755)
        options = [
            "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", f"NumberOfPasswordPrompts={prompts}", "IdentitiesOnly=yes",
            "PreferredAuthentications=publickey" if key else "PreferredAuthentications=keyboard-interactive,password",
        ]
        argv = ["ssh", "-F", "none", "-p", str(self.port), "-l", user]
        argv += [part for option in options for part in ("-o", option)] + (["-i", key] if key else [])
        environment = {**os.environ, "SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force", "SSH_AUTH_SOCK": ""}
        done = subprocess.run([*argv, "127.0.0.1", command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return done.returncode

    def wait_for(self, text: str) -> str:
        """Return the log when it holds a text."""
        deadline = time.monotonic() + START_SECONDS
        while text not in (found := self.log.read_text()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{text!r} was not logged:\n{found[-3000:]}")
            time.sleep(0.05)
        return found


@contextmanager
def login_server(*, keyboard_interactive: bool) -> Iterator[LoginServer]:
    """Start it, with passwords or with keyboard-interactive."""
    # Its user must be able to reach what is in here.
    with tempfile.TemporaryDirectory(prefix="upkeep-logins-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        for key in ("host", "known", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)], check=True)
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True).stdout.strip()
        (directory / "passwd").write_text(f"{USER}:x:60321:60321::/tmp:/bin/sh\n")
        (directory / "group").write_text(f"{USER}:x:60321:\n")
        (directory / "shadow").write_text(f"{USER}:{hashed}:20000:0:99999:7:::\n")
        (directory / "pam").write_text(_PAM)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yes, no = ("no", "yes") if keyboard_interactive else ("yes", "no")
        (directory / "sshd.conf").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/known.pub\nPidFile none\n"
            f"StrictModes no\nUsePAM yes\nPasswordAuthentication {yes}\nKbdInteractiveAuthentication {no}\nMaxAuthTries 10\n"
        )
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "sshd"
        with syslog(directory / "log.socket", directory / "auth.log"):
            argv = ["unshare", "--mount", "sh", "-c", _NAMESPACE, "sh", str(directory), program]
            server = LoginServer(directory, port, directory / "auth.log", subprocess.Popen(argv, stdin=subprocess.DEVNULL))
            try:
                server.wait_for("Server listening")
                yield server
            finally:
                server.process.terminate()
                server.process.wait(30)


@contextmanager
def syslog(path: Path, log: Path) -> Iterator[None]:
    """Write what comes over the socket to a file, as a syslog daemon does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver, log.open("wb", buffering=0) as stream:
        receiver.bind(str(path))
        path.chmod(0o777)
        receiver.settimeout(0.2)
        over = threading.Event()

        def receive() -> None:
            while not over.is_set():
                try:
                    message = receiver.recv(65536)
                except TimeoutError:
                    continue
                # <38>Nov  5 06:07:08 sshd[1]: …
                stream.write(message[message.index(b">") + 1 :][:16] + b"testhost " + message[message.index(b">") + 17 :].rstrip(b"\n\0") + b"\n")

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
