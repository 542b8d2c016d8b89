"""Who is logged in is found from the ssh servers among the ancestors, and believed from their environment only if it is true."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import operators
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import Connection, Operator, find_operator

CLIENT, SERVER = "198.51.100.5", "192.0.2.1"


class FakeProc:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: dict[str, list[str]] = {"tcp": [], "tcp6": []}

    def process(self, pid: int, parent: int, name: str, *, claim: str = "", inodes: Sequence[int] = ()) -> None:
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} (a ) (b) S {parent} 1 1")
        (folder / "comm").write_text(name + "\n")
        (folder / "environ").write_bytes(b"A=\xff\0" + (f"SSH_CONNECTION={claim}".encode() if claim else b"") + b"\0")
        for number, inode in enumerate(inodes):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
        (folder / "fd" / "9").symlink_to("/dev/null")

    def connection(self, inode: int, client: str = CLIENT, *, port: int = 22, peer_port: int = 5000, state: str = "01") -> None:
        name = "tcp6" if ":" in client else "tcp"
        server = "2001:db8::1" if ":" in client else SERVER
        self.rows[name].append(f" 0: {end(server, port)} {end(client, peer_port)} {state} 0:0 00:0 0 0 0 {inode} 1")
        folder = self.root / "self" / "net"
        folder.mkdir(parents=True, exist_ok=True)
        for table, rows in self.rows.items():
            (folder / table).write_text("\n".join(["head", *rows, ""]))


def end(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    words = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProc:
    fake = FakeProc(tmp_path)
    monkeypatch.setattr(operators, "PROC", tmp_path)
    monkeypatch.setattr(os, "getpid", lambda: 50)
    fake.process(1, 0, "systemd")
    return fake


def connection(client: str = CLIENT, port: int = 22) -> Connection:
    return Connection(ip_address(client), port)


@pytest.mark.parametrize("client", [CLIENT, "2001:db8::5", "::ffff:198.51.100.5"])
@pytest.mark.parametrize("name", ["sshd", "sshd-session", "dropbear"])
def test_the_server_above_holds_the_connection(proc: FakeProc, client: str, name: str) -> None:
    proc.process(40, 1, name, inodes=[700])
    proc.process(50, 40, "python3")
    proc.connection(700, client, port=2222)
    proc.connection(701, "203.0.113.1")
    assert find_operator() == Operator((connection(client.replace("::ffff:", ""), 2222),), ())


def test_only_the_nearest_server_is_asked_and_of_its_connections_the_one_that_is_claimed(proc: FakeProc) -> None:
    proc.process(30, 1, "sshd", inodes=[702])  # takes in everybody: an attacker just now
    proc.process(35, 30, "sshd", inodes=[700])
    proc.process(40, 35, "sshd", inodes=[700, 701])
    proc.process(45, 40, "sh")
    proc.process(50, 45, "python3")
    proc.connection(700)
    proc.connection(701, "203.0.113.1", port=8080)  # a forwarded port
    proc.connection(702, "203.0.113.66")
    assert find_operator().established == (connection(), connection("203.0.113.1", 8080))
    (proc.root / "45" / "environ").write_text(f"SSH_CONNECTION={CLIENT} 5000 {SERVER} 22\0")
    assert find_operator().established == (connection(),)


def test_a_server_that_is_no_ancestor_or_a_program_of_another_name_tells_nothing(proc: FakeProc) -> None:
    proc.process(40, 1, "sshd", inodes=[700])
    proc.process(41, 1, "nginx", inodes=[701])
    proc.process(50, 41, "python3")
    proc.connection(700)
    proc.connection(701)
    assert find_operator() == Operator((), ())


def test_what_an_ancestor_claims_is_believed_when_it_is_so(proc: FakeProc) -> None:
    proc.process(45, 1, "sh", claim=f"{CLIENT} 5000 {SERVER} 22")
    proc.process(50, 45, "python3")
    proc.connection(700)
    assert find_operator() == Operator((connection(),), ())


@pytest.mark.parametrize("state", ["06", "08"])
def test_a_connection_that_has_ended_is_no_way_back(proc: FakeProc, state: str) -> None:
    proc.process(50, 1, "tmux", claim=f"{CLIENT} 5000 {SERVER} 22")
    proc.connection(700, state=state)
    proc.connection(701, peer_port=5001)  # another one from there
    found = find_operator()
    assert found == Operator((), (ip_address(CLIENT),)) and found.addresses == {ip_address(CLIENT)}


@pytest.mark.parametrize("claim", ["", "x 1 y 2", f"{CLIENT} 5000", f"{CLIENT} -1 {SERVER} 22", "127.0.0.1 1 127.0.0.1 22", "a" * 5000])
def test_a_claim_that_is_none_and_loopback(proc: FakeProc, claim: str) -> None:
    proc.process(50, 1, "sh", claim=claim)
    assert find_operator() == Operator((), ())


def test_ancestors_that_go_in_a_circle_or_are_gone(proc: FakeProc) -> None:
    proc.process(50, 49, "python3")
    proc.process(49, 50, "sh")
    assert operators.ancestors(50) == [50, 49]
    assert operators.ancestors(77) == [77]
