"""The real kernel counts what listeners lose: one that never accepts, and one whose clients never say a word.

They have a network of their own, and its counters with it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

#: The network: its loopback device comes up, and it lives as long as its input.
NETWORK = """
import fcntl, socket, struct, sys
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
print("up", flush=True)
sys.stdin.read()
"""
#: Eight clients of a listener that has room for two. With a word to defer, a connection is half open until its client speaks.
CROWD = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=1)
if sys.argv[1] == "defer":
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
clients = [socket.socket() for number in range(8)]
for client in clients:
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
print("crowded", flush=True)
sys.stdin.read()
"""
ENTER = "import os; os.setns(os.open('/proc/{}/ns/net', os.O_RDONLY), os.CLONE_NEWNET)\n"
#: Six clients find no room. Each tries again and again.
LOST = 6


class Network:
    """A network, its crowds, and the module in it."""

    def __init__(self, folder: Path) -> None:
        self._history = str(folder / "history.sqlite")
        self._started: list[subprocess.Popen[str]] = []
        self._pid = self._start("unshare", "--net", sys.executable, "-c", NETWORK).pid

    def crowd(self, kind: str) -> Callable[[], None]:
        """Crowd a listener; return what sends everybody away."""
        crowd = self._start("nsenter", f"--net=/proc/{self._pid}/ns/net", sys.executable, "-c", CROWD, kind)
        return lambda: self._end(crowd)

    def set_syncookies(self, value: int) -> None:
        setting = ENTER.format(self._pid) + f"open('/proc/sys/net/ipv4/tcp_syncookies', 'w').write('{value}')"
        subprocess.run([sys.executable, "-c", setting], check=True)

    def checks(self) -> dict[str, dict[str, Any]]:
        """Return the checks of a run that warns of a crowd."""
        limits = {"listen_drops_warning_count": LOST, "syn_flood_warning_count": LOST}
        options = {"thresholds": limits, "history": self._history, "return_all": True, "sample_seconds": 0.1}
        result = run_module("resource_metrics", options, before=ENTER.format(self._pid))
        return {check["check"]: check for check in result["checks"]}

    def end(self) -> None:
        self._end(*self._started)

    def _start(self, *argv: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._started.append(process)
        assert process.stdout is not None and process.stdout.readline()
        return process

    @staticmethod
    def _end(*processes: subprocess.Popen[str]) -> None:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
def network(tmp_path: Path, root: None) -> Iterator[Network]:
    made = Network(tmp_path)
    try:
        yield made
    finally:
        made.end()


def test_a_listener_that_does_not_accept_is_seen_once(network: Network) -> None:
    before = network.checks()["network.listen_drops"]
    assert (before["status"], before["value"]) == ("ok", 0)
    assert "since the host started" in before["summary"]
    send_away = network.crowd("accept")
    crowded = network.checks()
    send_away()
    drops = crowded["network.listen_drops"]
    assert drops["status"] == "warning"
    assert LOST <= drops["value"] == drops["evidence"]["overflows_since_boot"]
    assert "since the last run" in drops["summary"]
    assert crowded["network.syn_flood"]["value"] == 0
    network.checks()  # what was tried again until they were sent away
    after = network.checks()["network.listen_drops"]
    assert (after["status"], after["value"]) == ("ok", 0)


@pytest.mark.parametrize(("syncookies", "answer"), [(0, "dropped"), (1, "cookies")])
def test_a_full_queue_of_half_open_connections_is_seen(network: Network, syncookies: int, answer: str) -> None:
    network.set_syncookies(syncookies)
    assert network.checks()["network.syn_flood"]["value"] == 0
    network.crowd("defer")
    flood = network.checks()["network.syn_flood"]
    assert flood["status"] == "warning"
    assert LOST <= flood["value"] == flood["evidence"][f"{answer}_since_boot"]


def test_cookies_for_everybody_are_no_flood_and_no_calm(network: Network) -> None:
    network.set_syncookies(2)
    network.crowd("accept")
    assert network.checks()["network.syn_flood"]["status"] == "unknown"
