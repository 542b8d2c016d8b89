"""The port probe: who listens, and is it who it should be?"""

from __future__ import annotations

import importlib.util
import os
import pwd
import socket
import subprocess
import sys
import time

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import dual_stack
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import port as port_probe
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked

UNIT = "0::/system.slice/tick-backend.service"
HAS_PSUTIL = importlib.util.find_spec("psutil") is not None


@pytest.fixture
def probe(look):
    return lambda **options: look("port", **{"port": 8081, **options})


@pytest.fixture
def host(fake_host):
    """A host on which the service listens on 127.0.0.1:8081 with a main process and a worker."""
    fake_host.add(100, argv=["node", "/opt/server.js", "--key=x"], uid=54001, cgroup=UNIT, sockets=(5, 77))
    fake_host.add(101, argv=["node", "worker.js"], uid=54001, parent=100, cgroup=UNIT, sockets=(77,))
    fake_host.add(200, argv=["python3", "evil.py"], uid=54002, cgroup="0::/user.slice/session-1.scope", sockets=(88,))
    fake_host.listen(("127.0.0.1", 8081, 100, 1), ("127.0.0.1", 22, None, -1))
    return fake_host


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Return what puts a systemctl first on the PATH that knows one unit with an alias; it returns the file of its calls."""

    def install(script: str = ""):
        calls = tmp_path / "calls"
        calls.touch()
        names = 'case "$5" in backend-alias.service|tick-backend.service) id=tick-backend.service;; *) id="$5";; esac'
        say = 'echo "Id=$id"; echo "Names=$id backend-alias.service"'
        program = tmp_path / "systemctl"
        program.write_text(f'#!/bin/sh\necho "$*" >> {calls}\n{script or f"{names}; {say}"}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return calls

    return install


@pytest.fixture
def both_stacks(monkeypatch):
    """The sockets of the fake host are none of this kernel: one on :: serves IPv4 too."""
    monkeypatch.setattr(port_probe, "ipv6_only", lambda port: False)


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({}, "ok", "Port 8081 is held by pid 100 (node server.js, user 54001)."),
        ({"unit": "tick-backend"}, "ok", ""),
        ({"unit": "tick-backend.service", "user": "54001", "pattern": r"server\.js"}, "ok", ""),
        ({"pattern": "worker"}, "ok", ""),
        ({"address": "127.0.0.1"}, "ok", ""),
        ({"unit": "other"}, "critical", "user 54001) and pid 101 (node worker.js, user 54001); unit other.service was expected."),
        ({"unit": "backend"}, "critical", "unit backend.service was expected"),
        ({"user": "54002"}, "critical", "user 54002 was expected"),
        ({"user": "nosuchuser"}, "critical", "user nosuchuser was expected"),
        ({"pattern": "java"}, "critical", "a process matching 'java' was expected"),
        ({"unit": "tick-backend", "user": "0"}, "critical", "unit tick-backend.service and user 0 was expected"),
        ({"address": "192.0.2.1"}, "critical", "Port 8081 of 192.0.2.1 has no listener."),
        ({"port": 8082}, "critical", "Port 8082 has no listener."),
    ],
)
def test_the_listener_is_judged(host, probe, systemctl, options, status, said):
    systemctl()
    outcome = probe(**options)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary
    assert "--key" not in outcome.summary


@pytest.mark.usefixtures("both_stacks")
def test_a_second_listener_of_somebody_else_is_critical(host, probe, systemctl):
    """One on all addresses and another on 127.0.0.1 live side by side, and the second one gets the connections."""
    systemctl()
    host.listen(("0.0.0.0", 8081, 100, 1), ("127.0.0.1", 8081, 200, 0))
    outcome = probe(unit="tick-backend")
    assert outcome.status == "critical"
    assert "held by pid 200 (python3 evil.py, user 54002)" in outcome.summary
    host.listen(("::", 8081, 200, 0))
    assert probe(unit="tick-backend", address="127.0.0.1").status == "critical"


def test_a_socket_that_systemd_opened_for_the_service_belongs_to_the_service(host, probe, systemctl):
    systemctl()
    host.add(1, argv=["/sbin/init"], parent=0, sockets=(77,))
    host.listen(("127.0.0.1", 8081, 1, 0))
    assert probe(unit="tick-backend").status == "ok"
    assert probe(unit="tick-backend", pattern="worker").details["listeners"][0]["pids"] == [1, 100, 101]
    assert probe(unit="other").status == "critical"


def test_a_unit_may_be_named_by_an_alias(host, probe, systemctl):
    calls = systemctl()
    assert probe(unit="tick-backend").status == "ok"
    assert calls.read_text() == "", "the first name of the unit needs no question"
    host.listen(("127.0.0.1", 8081, 100, 1), ("0.0.0.0", 8081, 101, 0))
    assert probe(unit="backend-alias", user="54001").status == "ok"
    assert calls.read_text() == "show --no-pager --property=Id,Names -- backend-alias.service\n", "one question is enough"
    host.listen(("127.0.0.1", 8081, 200, 0))
    outcome = probe(unit="backend-alias")
    assert outcome.status == "critical" and "unit backend-alias.service was expected" in outcome.summary


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'System has not been booted with systemd' >&2; exit 1", "systemd does not run this host"),
        ("echo 'Refused.' >&2; exit 1", "systemctl failed: Refused"),
    ],
)
def test_an_alias_that_systemd_does_not_tell_is_unknown(host, probe, systemctl, script, said):
    systemctl(script)
    assert probe(unit="tick-backend").status == "ok"
    outcome = probe(unit="backend-alias")
    assert (outcome.status, said in outcome.summary) == ("unknown", True), outcome.summary


@pytest.mark.parametrize("sees_processes", [True, False])
@pytest.mark.parametrize(("only", "status"), [(1, "critical"), (0, "ok")])
def test_a_listener_for_ipv6_only_serves_no_ipv4_address(look, monkeypatch, only, status, sees_processes):
    if not sees_processes:
        monkeypatch.setitem(sys.modules, "psutil", None)
    with socket.socket() as other, socket.socket(socket.AF_INET6) as listener:
        if only:
            other.bind(("0.0.0.0", 0))  # beside one for IPv6 only the kernel lets another socket have the port for IPv4
        number = other.getsockname()[1]
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        listener.bind(("::", number))
        listener.listen()
        number = listener.getsockname()[1]
        assert look("port", port=number, address="127.0.0.1").status == status
        assert look("port", port=number, address="::1").status == look("port", port=number).status == "ok"
        if only:
            other.listen()
            assert look("port", port=number, address="127.0.0.1").status == "ok"


def test_a_stranger_on_ipv6_only_is_none_of_the_ipv4_address(host, probe, systemctl, monkeypatch):
    systemctl()
    host.listen(("0.0.0.0", 8081, 100, 1), ("::", 8081, 200, 0))
    for only, status in ((True, "ok"), (False, "critical")):
        monkeypatch.setattr(port_probe, "ipv6_only", lambda port, told=only: told)
        assert probe(unit="tick-backend", address="127.0.0.1").status == status
        assert probe(unit="tick-backend").status == "critical"


def test_what_the_kernel_does_not_tell_of_a_listener_is_unknown(host, probe, monkeypatch):
    def refused(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    host.listen(("::", 8081, 100, 1))
    monkeypatch.setattr(dual_stack.socket, "socket", refused)
    outcome = probe(address="127.0.0.1")
    assert outcome.status == "unknown"
    assert "does not tell whether its listener on :: serves IPv4 (Operation not permitted)" in outcome.summary
    assert probe(address="::1").status == probe().status == "ok"


def test_a_kernel_that_is_too_old_does_not_tell():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        with pytest.raises(Unchecked, match="does not tell"):
            dual_stack.ipv6_only(server.getsockname()[1])
    assert dual_stack.listener(bytes(72)) == (bytes(16), None)
    assert dual_stack.listener(bytes(72) + b"\x00" * 8) == (bytes(16), None)
    assert dual_stack.listener(b"\x00" * 30) == (bytes(16), None)
    assert list(dual_stack.messages(b"\x05\x00\x00\x00" + bytes(12))) == []


@pytest.mark.parametrize(
    ("content", "status"), [("100\n", "ok"), ("200", "critical"), ("999", "critical"), ("", "unknown"), ("x", "unknown")]
)
def test_a_pid_file_names_the_process_or_its_parent(host, probe, tmp_path, content, status):
    (tmp_path / "app.pid").write_text(content)
    outcome = probe(pid_file=str(tmp_path / "app.pid"), pattern="worker")
    assert outcome.status == status, outcome.summary
    assert ("holds no process id" in outcome.summary) is (status == "unknown")


@pytest.mark.parametrize("hostile", ["pipe", "endless", "directory"])
def test_what_stands_in_place_of_a_pid_file_does_not_hold_the_probe(host, probe, tmp_path, hostile):
    path = tmp_path / "app.pid"
    {"pipe": os.mkfifo, "endless": lambda at: at.symlink_to("/dev/zero"), "directory": os.mkdir}[hostile](path)
    started = time.monotonic()
    outcome = probe(pid_file=str(path), timeout_seconds=60)
    assert outcome.status == "unknown" and time.monotonic() - started < 30, outcome.summary


def test_a_pid_file_that_is_missing_is_unknown(host, probe, tmp_path):
    outcome = probe(pid_file=str(tmp_path / "missing.pid"))
    assert (outcome.status, "No such file" in outcome.summary) == ("unknown", True)


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("pid", [None, 999])
def test_an_owner_that_cannot_be_seen_is_unknown(host, probe, monkeypatch, root, pid):
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 54001)
    host.listen(("127.0.0.1", 8081, pid, -1))
    for options in ({"unit": "tick-backend"}, {"user": "54001"}):
        outcome = probe(**options)
        assert outcome.status == "unknown"
        assert ("this user may see" in outcome.summary) is not root
        assert ("become" in outcome.hint) is not root
    assert probe().status == "ok"


@pytest.mark.usefixtures("no_psutil")
def test_without_psutil_only_the_owner_is_unknown(probe):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probe(port=port).status == "ok"
        assert probe(port=port, address="127.0.0.1").status == "ok"
        assert probe(port=port, address="192.0.2.1").status == "critical"
        outcome = probe(port=port, pattern="python")
    assert (outcome.status, outcome.permanent) == ("unknown", True)
    assert f"Port {port} could not be checked: psutil is not installed for" in outcome.summary
    assert "upkeep.runbook.prepare" in outcome.hint
    assert probe(port=port).status == "critical"


def test_hidden_processes_do_not_hide_the_listener(host, probe):
    del host.shown[1]
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert probe(port=server.getsockname()[1]).status == "ok"
        assert probe(port=server.getsockname()[1], user="54001").status == "unknown"


def test_a_system_without_tables_is_unknown(tmp_path):
    with pytest.raises(Unchecked, match="has no"):
        port_probe.kernel_listeners(tmp_path)


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "192.0.2.1"),
        ("00000000000000000000000000000000", "192.0.2.1"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_addresses_of_the_kernel_are_known(tmp_path, place, address):
    (tmp_path / "net").mkdir()
    row = f"   0: {place}:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n"
    (tmp_path / "net" / "tcp6").write_text(HEAD + row)
    (one,) = port_probe.kernel_listeners(tmp_path)
    assert (one.port, one.pid) == (8081, None)
    assert one.serves(address) and one.serves(None)
    assert one.serves("198.51.100.1") is (place.strip("0") == "")
    assert one.serves("2001:db8::2") is (place == "0" * 32), "0.0.0.0 serves no IPv6 address"
    (tmp_path / "net" / "tcp6").write_text(HEAD + row.replace(" 0A ", " 01 "))
    assert port_probe.kernel_listeners(tmp_path) == []


def test_the_real_kernel_shows_this_listener(look):
    """Without psutil on this Python the owner is unknown, here and below."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]
        outcome = look("port", port=number, user=me, address="127.0.0.1")
        assert outcome.status == ("ok" if HAS_PSUTIL else "unknown"), outcome.summary
        assert [row["pids"] for row in outcome.details.get("listeners", [])] == ([[os.getpid()]] if HAS_PSUTIL else [])
    assert look("port", port=number).status == "critical"


def test_the_real_kernel_shows_whose_listener_it_is(look):
    code = "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1],flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, "wrong one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        number = int(child.stdout.readline())
        outcome = look("port", port=number, pattern="right one")
        child.kill()
    assert outcome.status == ("critical" if HAS_PSUTIL else "unknown")
    assert f"held by pid {child.pid} " in outcome.summary or not HAS_PSUTIL
