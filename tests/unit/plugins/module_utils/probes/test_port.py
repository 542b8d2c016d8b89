"""The port probe: who listens, and is it who it should be?"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import port as port_module
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.listeners import Owners, parse_listeners
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.port import probe_port

HERE = "0100007F:1F91"  # 127.0.0.1:8081
EVERYWHERE = "00000000:1F91"
UNIT = "0::/system.slice/tick-backend.service"


def probe(proc, **options):
    (read,) = read_probes([{"type": "port", "port": 8081, **options}], {})
    return probe_port(read.options, Deadline(5), proc.root)


@pytest.fixture
def host(fake_proc):
    """A host on which the service listens on 127.0.0.1:8081 with a main process and a worker."""
    fake_proc.add(100, argv=["node", "/opt/server.js", "--key=x"], uid=54001, cgroup=UNIT, sockets=(5, 77))
    fake_proc.add(101, argv=["node", "worker.js"], uid=54001, parent=100, cgroup=UNIT, sockets=(77,))
    fake_proc.add(200, argv=["python3", "evil.py"], uid=54002, cgroup="0::/user.slice/session-1.scope", sockets=(88,))
    fake_proc.listen([(HERE, 54001, 77), ("0100007F:0016", 0, 66)])
    return fake_proc


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({}, "ok", "Port 8081 is held by pid 100 (node server.js, user 54001) and pid 101"),
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
def test_the_listener_is_judged(host, options, status, said):
    outcome = probe(host, **options)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary
    assert "--key" not in outcome.summary


def test_a_second_listener_of_somebody_else_is_critical(host):
    """One on all addresses and another on 127.0.0.1 live side by side, and the second one gets the connections."""
    host.listen([(EVERYWHERE, 54001, 77), (HERE, 54002, 88)])
    outcome = probe(host, unit="tick-backend")
    assert outcome.status == "critical"
    assert "held by pid 200 (python3 evil.py, user 54002)" in outcome.summary
    host.listen([("00000000000000000000000000000000:1F91", 54002, 88)], table="tcp6")
    host.listen([])
    assert probe(host, unit="tick-backend", address="127.0.0.1").status == "critical"


@pytest.mark.parametrize(
    ("content", "status"), [("100\n", "ok"), ("200", "critical"), ("999", "critical"), ("", "unknown"), ("x", "unknown")]
)
def test_a_pid_file_names_the_process_or_its_parent(host, tmp_path, content, status):
    (tmp_path / "app.pid").write_text(content)
    host.listen([(HERE, 54001, 77)])
    options = {"pid_file": str(tmp_path / "app.pid"), "pattern": "worker"}
    if status == "unknown":
        with pytest.raises(Unchecked, match="holds no process id"):
            probe(host, **options)
    else:
        assert probe(host, **options).status == status


def test_a_pid_file_that_is_missing_is_unknown(host, tmp_path):
    with pytest.raises(Unchecked, match="No such file"):
        probe(host, pid_file=str(tmp_path / "missing.pid"))


@pytest.mark.parametrize("complete", [True, False])
def test_an_owner_that_cannot_be_seen_is_unknown(host, monkeypatch, complete):
    monkeypatch.setattr(port_module, "owners", lambda *_arguments: Owners({}, complete))
    outcome = probe(host, unit="tick-backend")
    assert outcome.status == "unknown"
    assert ("may not see" in outcome.summary) is not complete
    assert ("become" in outcome.hint) is not complete
    # The kernel tells everybody which user opened a socket.
    assert probe(host, user="54001").status == "ok"
    assert probe(host, user="54002").status == "critical"
    assert probe(host).status == "ok"


def test_a_system_without_tables_is_unknown(fake_proc):
    (fake_proc.root / "net" / "tcp").unlink()
    with pytest.raises(Unchecked, match="has no"):
        probe(fake_proc)


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("0100007F:0050", "127.0.0.1"),
        ("00000000:0050", "0.0.0.0"),
        ("00000000000000000000000001000000:0050", "::1"),
        ("0000000000000000FFFF00000100007F:0050", "127.0.0.1"),
        ("B80D0120000000000000000001000000:0050", "2001:db8::1"),
    ],
)
def test_addresses_of_the_kernel_are_decoded(place, address):
    row = f"   0: {place} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1\n"
    (listener,) = parse_listeners("head\n" + row + row.replace(" 0A ", " 01 "))
    assert listener == (address, 80, 1000, 4711)


def test_the_real_kernel_shows_this_listener(look):
    me = pwd.getpwuid(os.geteuid()).pw_name
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]
        outcome = look("port", port=number, user=me, address="127.0.0.1")
        assert outcome.status == "ok", outcome.summary
        assert os.getpid() in outcome.details["listeners"][0]["pids"]
    assert look("port", port=number).status == "critical"


def test_the_real_kernel_shows_whose_listener_it_is(look):
    code = "import socket,sys; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1],flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, "wrong one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        number = int(child.stdout.readline())
        outcome = look("port", port=number, pattern="right one")
        child.kill()
    assert outcome.status == "critical"
    assert f"held by pid {child.pid} " in outcome.summary
