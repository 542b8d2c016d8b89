"""Real database servers of our own: in folders of their own, reached through sockets in them, ended by their process."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import socket as socketlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 60.0


@dataclass
class Server:
    """A server that runs.

    :ivar directory: its folder, which its user owns; short, since the path of a socket is.
    :ivar user: user of the system that it runs as: servers refuse to run as root.
    :ivar options: what a dump needs to reach it (``host``, ``run_as``, …).
    """

    directory: Path
    user: str
    options: dict[str, Any]
    argv: list[str]
    answers: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with open(self.directory / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **as_user(self.user)
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "server.log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """End it, as its unit would or as a power cut would."""
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(60)
            self.process = None


def as_user(name: str) -> dict[str, Any]:
    """Return what makes subprocess run something as a user, when it is another one."""
    account = pwd.getpwnam(name)
    if account.pw_uid == os.geteuid():
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": os.getgrouplist(name, account.pw_gid)}


def program(name: str, pattern: str = "") -> str:
    """Return the path of a program, which a package may keep out of PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found and not pattern:
        return found
    places = sorted(Path("/").glob(pattern.lstrip("/")), key=str) if pattern else []
    if not places:
        raise RuntimeError(f"the program {name} is not installed; make integration installs it")
    return str(places[-1])


@contextmanager
def own_folder(user: str) -> Iterator[Path]:
    """A new folder of a user, with a short name."""
    account = pwd.getpwnam(user)
    path = Path(tempfile.mkdtemp(prefix="upkeep-", dir="/tmp"))
    os.chown(path, account.pw_uid, account.pw_gid)
    os.chmod(path, 0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def set_up(argv: list[str], directory: Path, user: str) -> None:
    """Run what makes the folder of a server; when it fails, say why."""
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, cwd=directory, **as_user(user))
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {(done.stdout + done.stderr)[-3000:]}")


def quiet(argv: list[str]) -> Callable[[], bool]:
    """Return a function that tells whether a command succeeds."""
    return lambda: subprocess.run(argv, capture_output=True, check=False).returncode == 0


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server while the block runs."""
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)


@contextmanager
def postgresql(*, over_tcp: bool = False, settings: Sequence[str] = ()) -> Iterator[Server]:
    """A PostgreSQL server whose superuser ``postgres`` needs no password at its socket.

    :param over_tcp: it listens at 127.0.0.1, too, where everybody needs a password; ``options`` are then a host and a port.
    :param settings: further settings of the server, such as ``wal_level=logical``.
    """
    pattern = "/usr/lib/postgresql/*/bin/"
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with own_folder(user) as directory:
        data = directory / "data"
        set_up(
            [program("initdb", pattern + "initdb"), "--pgdata", str(data), "--username=postgres", "--no-sync", "--encoding=UTF8",
             "--locale=C.UTF-8", "--auth=trust"],
            directory, user,
        )
        rules = data / "pg_hba.conf"
        # As over a network: who is called locked needs a password.
        rules.write_text("local all locked scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        port, address = (_free_port(), "127.0.0.1") if over_tcp else (5432, "")
        with _postgres(directory, user, port, address, settings) as server:
            yield server


@contextmanager
def postgresql_replica(primary: Server) -> Iterator[Server]:
    """A replica of a PostgreSQL server, which receives what is written there as it is written."""
    pattern = "/usr/lib/postgresql/*/bin/"
    with own_folder(primary.user) as directory:
        set_up(
            [program("pg_basebackup", pattern + "pg_basebackup"), "--host", str(primary.directory), "--username=postgres", "--no-sync",
             "--checkpoint=fast", "--write-recovery-conf", "--pgdata", str(directory / "data")],
            directory, primary.user,
        )
        with _postgres(directory, primary.user, 5432, "", ()) as server:
            yield server


@contextmanager
def _postgres(directory: Path, user: str, port: int, address: str, settings: Sequence[str]) -> Iterator[Server]:
    """Run a PostgreSQL server on the data in a folder."""
    pattern = "/usr/lib/postgresql/*/bin/"
    argv = [
        program("postgres", pattern + "postgres"), "-D", str(directory / "data"), "-k", str(directory), "-p", str(port),
        "-c", f"listen_addresses={address}",
        "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "shared_buffers=32MB",
        "-c", "autovacuum=off", *(word for setting in settings for word in ("-c", setting)),
    ]
    # The clients themselves: Debian's psql is a Perl program that looks for the one to run, which takes its time.
    binaries = os.path.dirname(program("psql", pattern + "psql"))
    at_socket = {"host": str(directory), "run_as": user if os.geteuid() == 0 else ""}
    options = {**({"host": address} if address else at_socket), "port": port, "binary_directory": binaries}
    ready = [program("pg_isready", pattern + "pg_isready"), "-q", "-h", str(directory), "-p", str(port), "-U", "postgres"]
    with running(Server(directory, user, options, argv, quiet(ready))) as server:
        yield server


def _free_port() -> int:
    with socketlib.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB server whose user ``root`` has a password."""
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with own_folder(user) as directory:
        data = directory / "data"
        set_up(
            [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            directory, user,
        )
        socket = directory / "mysqld.sock"
        argv = [
            program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
            f"--pid-file={directory}/mariadbd.pid", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
            "--innodb-buffer-pool-size=32M", "--event-scheduler=OFF",
        ]
        ready = [program("mariadb-admin"), "--no-defaults", f"--socket={socket}", "--user=root", "ping"]
        options = {"host": str(socket), "user": "root", "password": 'my "secret"\\1'}
        with running(Server(directory, user, options, argv, quiet(ready))) as server:
            subprocess.run(
                [program("mariadb"), "--no-defaults", f"--socket={socket}", "--user=root"], check=True, capture_output=True,
                input=b"SET PASSWORD FOR root@localhost = PASSWORD('my \"secret\"\\\\1');",
            )
            yield server


SYSTEMCTL = """#!/bin/sh
# As much of systemctl as a restore of Redis uses, for a machine on which systemd does not run. Like the real one it comes back from
# a start when the server is known, and from a stop when it is gone: the server itself writes its pid late and removes it early.
alive() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$1/status"; }
running() { test -s {directory}/pid && alive "$(cat {directory}/pid)"; }
await_pid() { left=500; until test -s {directory}/pid || test $left = 0; do left=$((left - 1)); sleep 0.02; done; }
case $1 in
show) echo LoadState=loaded; if running; then echo ActiveState=active; else echo ActiveState=inactive; fi ;;
stop) if running; then pid=$(cat {directory}/pid); kill "$pid"; while alive "$pid"; do sleep 0.02; done; fi ;;
start) running || { rm -f {directory}/pid; {start} && await_pid; } ;;
esac
"""


@contextmanager
def redis_unit(*settings: str) -> Iterator[Server]:
    """A Redis server under a ``systemctl`` of our own, in the folder ``bin`` of the folder of the server.

    :param settings: further options of the server.
    """
    user = "redis" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with own_folder(user) as directory:
        data, socket = directory / "data", directory / "redis.sock"
        data.mkdir(mode=0o750)
        shutil.chown(data, user)
        argv = [
            program("redis-server"), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "777", "--dir", str(data),
            "--repl-diskless-sync-delay", "0", "--daemonize", "yes", "--pidfile", str(directory / "pid"), *settings,
        ]
        start = [program("runuser"), "-u", user, "--", *argv] if os.geteuid() == 0 else argv
        (directory / "bin").mkdir(mode=0o755)
        systemctl = directory / "bin" / "systemctl"
        systemctl.write_text(SYSTEMCTL.replace("{directory}", str(directory)).replace("{start}", shlex.join(start) + " >/dev/null"))
        systemctl.chmod(0o755)
        ready = quiet([program("redis-cli"), "-e", "-s", str(socket), "get", "nothing"])
        options = {"host": str(socket), "unit": "redis-test.service"}
        server = Server(directory, user, options, [str(systemctl), "start", "redis-test.service"], ready)
        subprocess.run(server.argv, check=True)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready() and time.monotonic() < deadline:
                time.sleep(0.02)
            yield server
        finally:
            subprocess.run([str(systemctl), "stop", "redis-test.service"], check=True)


@contextmanager
def redis(*settings: str) -> Iterator[Server]:
    """A Redis server with a password.

    :param settings: further options of the server.
    """
    user = "redis" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with own_folder(user) as directory:
        socket = directory / "redis.sock"
        argv = [
            program("redis-server"), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "777", "--dir", str(directory),
            "--requirepass", "red secret", "--repl-diskless-sync-delay", "0", *settings,
        ]
        ready = [program("redis-cli"), "-e", "-s", str(socket), "--no-auth-warning", "-a", "red secret", "get", "nothing"]
        options = {"host": str(socket), "password": "red secret"}
        with running(Server(directory, user, options, argv, quiet(ready))) as server:
            yield server
