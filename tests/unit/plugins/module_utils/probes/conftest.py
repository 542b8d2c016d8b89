"""Real servers on 127.0.0.1, as well or as badly behaved as a test wants them, and processes as /proc shows them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.attempts import make_attempt
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome

Handler = Callable[[socket.socket], None]

CERTIFICATES = Path(__file__).parent / "certificates"


class Servers:
    """Servers that a test starts; each runs its handler in a thread for every connection."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.released = threading.Event()

    def start(self, handler: Handler, *, certificate: str | None = None, host: str = "127.0.0.1") -> int:
        """Start a server, with TLS when it is given a certificate, and return its port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, 0))
        listener.listen(64)
        self._sockets.append(listener)
        threading.Thread(target=self._accept, args=(listener, handler, certificate), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, handler: Handler, certificate: str | None) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, handler, certificate), daemon=True).start()

    def _serve(self, connection: socket.socket, handler: Handler, certificate: str | None) -> None:
        try:
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(CERTIFICATES / certificate)
                connection = context.wrap_socket(connection, server_side=True)
            handler(connection)
        except OSError:
            pass  # the probe hung up, as it may
        finally:
            connection.close()

    def hold(self) -> None:
        """Keep the connection open and silent until the test is over."""
        self.released.wait(60)

    def close(self) -> None:
        self.released.set()
        for listener in self._sockets:
            # Closing alone does not wake a thread that waits in accept().
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.close()


@pytest.fixture
def answering(servers: Servers) -> Callable[..., int]:
    """Return what starts a server that reads one request head and answers with fixed bytes."""

    def start(answer: bytes, *, certificate: str | None = None, hold: bool = False, host: str = "127.0.0.1") -> int:
        def handler(connection: socket.socket) -> None:
            read_head(connection)
            connection.sendall(answer)
            if hold:
                servers.hold()

        return servers.start(handler, certificate=certificate, host=host)

    return start


def read_head(connection: socket.socket) -> bytes:
    """Read a request up to its empty line."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            break
        data += received
    return data


@pytest.fixture
def request_head() -> Callable[[socket.socket], bytes]:
    return read_head


@pytest.fixture
def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def certificates() -> Path:
    return CERTIFICATES


class FakeProc:
    """A /proc of our own, with the processes and sockets that a test wants."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "net").mkdir(parents=True)
        self._rows: list[str] = []
        self.add(1, argv=["/sbin/init"], parent=0)
        self.listen([])

    def add(
        self,
        pid: int,
        *,
        argv: list[str],
        parent: int = 1,
        uid: int = 0,
        state: str = "S",
        flags: int = 0,
        name: str = "node",
        cgroup: str = "0::/init.scope",
        exe: str | None = None,
        sockets: tuple[int, ...] = (),
    ) -> None:
        """Add a process."""
        directory = self.root / str(pid)
        (directory / "fd").mkdir(parents=True)
        fields = [state, parent, pid, pid, 0, -1, flags, *([0] * 12), 12345]
        (directory / "stat").write_text(f"{pid} ({name}) {' '.join(str(field) for field in fields)}\n")
        (directory / "status").write_text(f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        (directory / "cmdline").write_bytes(b"".join(argument.encode() + b"\0" for argument in argv))
        (directory / "cgroup").write_text(cgroup + "\n")
        if exe is not None:
            (directory / "exe").symlink_to(exe)
        for number, inode in enumerate(sockets):
            (directory / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def listen(self, rows: list[tuple[str, int, int]], *, table: str = "tcp") -> None:
        """Set the listening sockets: (address in hexadecimal digits and port, user, inode)."""
        head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        lines = [
            f"   {number}: {place} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid:5d}        0 {inode} 1\n"
            for number, (place, uid, inode) in enumerate(rows)
        ]
        (self.root / "net" / table).write_text(head + "".join(lines))


@pytest.fixture
def fake_proc(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path / "proc")


@pytest.fixture
def look() -> Callable[..., Outcome]:
    """Return what makes one attempt of a probe, from its options as a user gives them."""

    def attempt(kind: str, **options: Any) -> Outcome:
        (probe,) = read_probes([{"type": kind, "timeout_seconds": 5, **options}], {})
        return make_attempt(probe)

    return attempt
