"""A server for sftp of our own on 127.0.0.1."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.tests.integration.ssh_server import end, ssh_server


@dataclass
class SftpServer:
    """A server that runs.

    :ivar command: what reaches it, as restic takes it in ``sftp.command``.
    """

    command: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it; nothing answers at its port then."""
        end(self.process)


@contextmanager
def sftp_server(directory: Path) -> Iterator[SftpServer]:
    """Start it; :param directory: empty, for its keys and settings."""
    with ssh_server(directory, "storage", "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n") as process:
        yield SftpServer(f"ssh -F {directory}/ssh.conf storage -s sftp", process)
