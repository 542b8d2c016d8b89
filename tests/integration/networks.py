"""Hosts that are nothing but network namespaces, joined by a bridge; only addresses that are reserved for documentation.

Each host has ``192.0.2.<number>`` and ``2001:db8::<number>``, and knows nobody else.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

PATIENCE_SECONDS = 60.0
_NETWORKS = itertools.count()

_ANSWER = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.bind(("::", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        data, peer = one.recvfrom(100)
        try:
            one.sendto(data, peer)
        except OSError:
            pass
"""


class Host:
    """One network namespace.

    :ivar number: the last part of its addresses.
    """

    def __init__(self, namespace: str, number: int) -> None:
        self.namespace = namespace
        self.number = number
        self.address, self.address6 = f"192.0.2.{number}", f"2001:db8::{number}"

    def argv(self, *arguments: str) -> list[str]:
        """Return a command line that runs in this host."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def run(self, *arguments: str, given: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a program here and return what it prints."""
        done = subprocess.run(
            self.argv(*arguments), input=given, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def reaches(self, other: Host, *, version: int = 4, port: int = 7, seconds: float = 0.4) -> bool:
        """Tell whether a datagram to another host is answered."""
        return answered([(self, other, version)], port=port, seconds=seconds)[0]

    def module(self, name: str, **options: Any) -> dict[str, Any]:
        """Run a module here."""
        return run_module(name, options, before=self.entering())

    def use(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """Call something here, in a child of this process, and return its answer as a module would; None when it died."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setns(os.open(f"/run/netns/{self.namespace}", os.O_RDONLY), os.CLONE_NEWNET)
                try:
                    answer = work()
                except UpkeepError as exc:
                    answer = {**exc.details, "failed": True, "msg": exc.message}
                with open(write, "wb") as stream:
                    stream.write(json.dumps(answer).encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read, "rb") as stream:
            text = stream.read()
        os.waitpid(child, 0)
        return json.loads(text) if text else None

    def entering(self) -> str:
        """Return Python that moves its process into this host."""
        return f"import os; os.setns(os.open('/run/netns/{self.namespace}', os.O_RDONLY), os.CLONE_NEWNET)\n"


def answered(ways: Iterable[tuple[Host, Host, int]], *, port: int = 7, seconds: float = 0.4) -> list[bool]:
    """Tell for each way (from, to, version of IP) whether a datagram is answered; all are tried at once."""
    listed = list(ways)
    with ThreadPoolExecutor(len(listed)) as pool:  # a thread of its own for each: it moves into the namespace and stays there
        barrier = threading.Barrier(len(listed))
        return list(pool.map(lambda way: _ask(*way, port, seconds, barrier), listed))


def _ask(one: Host, other: Host, version: int, port: int, seconds: float, barrier: threading.Barrier) -> bool:
    barrier.wait()
    namespace = os.open(f"/run/netns/{one.namespace}", os.O_RDONLY)
    try:
        os.setns(namespace, os.CLONE_NEWNET)
    finally:
        os.close(namespace)
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect((other.address if version == 4 else other.address6, port))
            asking.send(b"hello")
            return asking.recv(100) == b"hello"
        except OSError:
            return False


def given_options(module: ModuleType, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a module as it would see them."""
    return {**{name: option.get("default") for name, option in module.argument_spec().items()}, **given}


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Make hosts that reach each other, and take them away afterwards."""
    prefix = f"upkeep{os.getpid()}n{next(_NETWORKS)}"
    with ExitStack() as stack:
        switch = _namespace(stack, f"{prefix}s")
        _ip(switch, "link", "add", "bridge", "type", "bridge")
        _ip(switch, "link", "set", "bridge", "up")
        made = []
        for number in range(1, count + 1):
            host = Host(_namespace(stack, f"{prefix}h{number}"), number)
            _ip(host.namespace, "link", "set", "lo", "up")
            _ip(host.namespace, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}", "netns", switch)
            _ip(switch, "link", "set", f"port{number}", "master", "bridge", "up")
            _ip(host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
            _ip(host.namespace, "address", "add", f"{host.address6}/64", "dev", "eth0", "nodad")
            _ip(host.namespace, "link", "set", "eth0", "up")
            stack.enter_context(_answering(host))
            made.append(host)
        for host in made[1:]:  # a bridge takes a moment to forward
            wait_until(lambda host=host: host.reaches(made[0]) and host.reaches(made[0], version=6))  # type: ignore[misc]
        yield made


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something is true; fail when it never is."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


@contextmanager
def _answering(host: Host, port: int = 7) -> Iterator[None]:
    """Let a host answer datagrams."""
    argv: Sequence[str] = host.argv("python3", "-c", _ANSWER, str(port))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.kill()


def _namespace(stack: ExitStack, name: str) -> str:
    subprocess.run(["ip", "netns", "add", name], check=True)
    stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
    return name


def _ip(namespace: str, *arguments: str) -> None:
    subprocess.run(["ip", "-n", namespace, *arguments], check=True)
