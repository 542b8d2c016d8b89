"""The one adapter to psutil: on a host of our own, on this machine, and without psutil."""

from __future__ import annotations

import importlib.util
import os
import pwd
import socket
import subprocess
import sys
import threading

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import (
    Listener,
    Unseen,
    _Shared,
    also_holds,
    executable_of,
    is_running,
    process_title,
    proportional_bytes,
    read_listeners,
    read_processes,
    unit_of,
    units_of,
    user_id,
    user_name,
)

HAS_PSUTIL = importlib.util.find_spec("psutil") is not None


def test_facts_of_a_process(fake_host):
    fake_host.add(60, argv=["node", "/opt/server.js", "--token=hunter2"], parent=7, uid=54001, cpu=2.5, rss=100)
    process = read_processes()[-1]
    assert (process.pid, process.parent, process.uid, process.created) == (60, 7, 54001, 99.0)
    assert (process.cpu_seconds, process.rss_bytes, process.state, process.runs) == (2.5, 100, "sleeping", True)
    assert process.command_line == "node /opt/server.js --token=hunter2"
    assert process.shown == "pid 60 (node server.js, user 54001)"


def test_what_this_user_may_not_know_is_none_and_no_crash(fake_host):
    fake_host.shown[60] = {**dict.fromkeys(fake_host.shown[1]), "pid": 60}
    process = read_processes()[-1]
    assert (process.uid, process.argv, process.runs, process.shown) == (None, (), False, "pid 60 (, user None)")


@pytest.mark.parametrize(
    ("facts", "runs"), [({}, True), ({"state": "zombie"}, False), ({"vms": 0, "parent": 2}, False), ({"parent": 2}, True)]
)
def test_zombies_and_threads_of_the_kernel_do_not_run(fake_host, facts, runs):
    fake_host.add(60, argv=["x"], **facts)
    assert read_processes()[-1].runs is runs


def test_the_number_of_processes_is_bounded(fake_host, monkeypatch):
    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.processes.MAX_PROCESSES", 3)
    for pid in range(50, 60):
        fake_host.add(pid, argv=["x"])
    assert len(read_processes()) == 3


def test_a_process_that_ends_meanwhile_is_left_out(fake_host):
    fake_host.add(60, argv=["x"])
    fake_host.ended = [50]
    assert [process.pid for process in read_processes()] == [1, 60]


def test_a_pid_that_belongs_to_another_process_than_at_the_last_look_is_not_left_out():
    """A host that starts many processes uses each pid again after minutes."""
    if not HAS_PSUTIL:
        with pytest.raises(Unseen):
            read_processes()
        return
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        read_processes()
        import psutil

        # What remains of an earlier process in whatever psutil remembers.
        for known in getattr(psutil, "_pmap", {}).values():
            known._ident = (known.pid, 1.0)
        assert child.pid in {process.pid for process in read_processes()}
        child.communicate(b"\n")


def test_hidden_processes_are_not_absent_ones(fake_host):
    fake_host.add(50, argv=["python3"])
    del fake_host.shown[1]
    with pytest.raises(Unseen, match="hidepid") as problem:
        read_processes()
    assert "become" in problem.value.hint


@pytest.mark.parametrize("failure", [FileNotFoundError("/proc"), RuntimeError("malformed")])
def test_a_system_that_shows_nothing_is_told(fake_host, failure):
    fake_host.failure = failure
    with pytest.raises(Unseen, match=f"does not show its processes .*{failure}"):
        read_processes()


@pytest.mark.usefixtures("no_psutil")
def test_without_psutil_the_reason_and_the_remedy_are_told():
    for question in (read_processes, read_listeners):
        with pytest.raises(Unseen, match=f"psutil is not installed for {sys.executable}") as problem:
            question()
        assert "upkeep.runbook.prepare" in problem.value.hint
        assert "apt install python3-psutil" in problem.value.hint


@pytest.mark.parametrize(
    ("bound", "asked", "served"),
    [
        ("127.0.0.1", None, True),
        ("127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "192.0.2.1", True),
        ("::", "192.0.2.1", True),
        ("::", "::1", True),
        ("0.0.0.0", "::1", False),
        ("127.0.0.1", "192.0.2.1", False),
        ("::1", "127.0.0.1", False),
    ],
)
def test_which_address_a_listener_serves(fake_host, bound, asked, served):
    fake_host.listen((bound, 80, 1, 0))
    assert read_listeners()[0].serves(asked) is served


def test_only_sockets_that_listen_are_listeners(fake_host):
    fake_host.listen(("127.0.0.1", 80, 1, 0), ("127.0.0.1", 81, None, -1))
    fake_host.sockets[0].status = "ESTABLISHED"
    assert read_listeners() == [Listener("127.0.0.1", 81, None, -1)]


def test_a_look_is_shared_and_never_older_than_the_question():
    looks, gate = [], threading.Event()

    def look():
        looks.append(None)
        gate.wait(10)
        return len(looks)

    shared = _Shared(look)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(shared.get())) for _thread in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 8
    before = len(looks)
    assert before <= 8
    assert shared.get() == before + 1


def test_those_who_ask_during_a_look_share_the_next_one():
    began, gate, asked = threading.Event(), threading.Event(), []

    def look():
        asked.append(None)
        began.set()
        gate.wait(10)
        return len(asked)

    shared = _Shared(look)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(shared.get())) for _thread in range(6)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    threading.Event().wait(0.3)  # time for the others to ask
    gate.set()
    for thread in threads:
        thread.join(10)
    assert (len(answers), answers.count(1)) == (6, 1)
    assert len(asked) < 6


@pytest.mark.parametrize(
    ("stat", "expected"),
    [("60 (a) R (b) S 1", True), ("60 (x) Z 1", False), ("60 (Z) R 1", True), ("60 (x) X 1", False), (None, False)],
)
def test_a_process_is_alive_without_psutil(fake_host, no_psutil, stat, expected):
    fake_host.add(60, argv=["x"])
    (fake_host.proc / "60" / "stat").unlink()
    if stat is not None:
        (fake_host.proc / "60" / "stat").write_text(stat)
    assert is_running(60) is expected


def test_who_holds_a_socket_too(fake_host):
    fake_host.add(60, argv=["systemd"], sockets=(5, 77))
    fake_host.add(61, argv=["sshd"], sockets=(77,))
    fake_host.add(62, argv=["other"], sockets=(78,))
    listener = Listener("0.0.0.0", 22, 60, 1)
    assert [pid for pid in (60, 61, 62, 63) if also_holds(pid, listener)] == [60, 61]
    assert not also_holds(61, listener._replace(pid=None))


def test_the_program_of_a_process(fake_host):
    fake_host.add(60, argv=["liar"], exe="/usr/bin/node (deleted)")
    fake_host.add(61, argv=["/usr/bin/node"])
    assert (executable_of(60), executable_of(61)) == ("/usr/bin/node", None)


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/tick-backend.service", "tick-backend.service"),
        ("0::/user.slice/user-0.slice/user@0.service/app.slice/app.service", "app.service"),
        ("0::/user.slice/user-0.slice/session-5.scope", "session-5.scope"),
        ("9:name=systemd:/system.slice/x.service\n8:pids:/other.service/y", "x.service"),
        ("0::/", None),
        ("", None),
    ],
)
def test_the_unit_of_a_process(fake_host, cgroup, unit):
    fake_host.add(60, argv=["x"], cgroup=cgroup)
    assert unit_of(60) == unit
    assert unit is None or unit in units_of(60)
    assert unit_of(61) is None


@pytest.mark.parametrize(
    ("argv", "title"),
    [
        ([], "comm"),
        (["/usr/bin/redis-server", "*:6379"], "redis-server"),
        (["node", "--max-old-space-size=512", "/opt/app/server.js", "--token", "hunter2"], "node server.js"),
        (["/usr/bin/python3.11", "-m", "http.server"], "python3.11"),
        (["python3", "/usr/bin/ansible", "localhost"], "python3 ansible"),
        (["bash", "-c", "curl -u admin:hunter2 run.sh"], "bash"),
        (["node", "--password=hunter2.js"], "node"),
        (["mysql", "-phunter2", "dump.sh"], "mysql"),
        (["mysqladmin", "hunter2"], "mysqladmin"),
        (["nginx: worker process"], "nginx"),
        (["node", "bad\x1b[31m.js"], "node bad\\x1b[31m.js"),
        ([os.fsdecode(b"\xff\xfe"), "--token=1"], "\\xff\\xfe"),
    ],
)
def test_the_title_tells_services_apart_and_keeps_secrets(argv, title):
    assert process_title("comm", argv) == title


def test_names_and_numbers_of_users():
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert (user_id(me), user_id("54001"), user_id("nosuchuser")) == (os.geteuid(), 54001, None)
    assert (user_name(os.geteuid()), user_name(54001), user_name(None)) == (me, "54001", None)


def test_the_real_psutil_answers_in_this_form():
    """Without psutil on this Python the answer is that it is missing."""
    with subprocess.Popen([sys.executable, "-c", "input()", "mark"], stdin=subprocess.PIPE) as child, socket.create_server(
        ("127.0.0.1", 0)
    ) as server:
        if not HAS_PSUTIL:
            with pytest.raises(Unseen):
                read_processes()
        else:
            process = {one.pid: one for one in read_processes()}[child.pid]
            assert process.argv == (sys.executable, "-c", "input()", "mark")
            assert (process.parent, process.uid, process.runs) == (os.getpid(), os.geteuid(), True)
            assert process.rss_bytes > 0 and process.created > 1e9 and process.state
            assert (proportional_bytes(child.pid) or 0) > 0
            mine = [one for one in read_listeners() if one.port == server.getsockname()[1]]
            assert mine == [Listener("127.0.0.1", server.getsockname()[1], os.getpid(), server.fileno())]
            assert also_holds(os.getpid(), mine[0]) and not also_holds(child.pid, mine[0])
            assert proportional_bytes(2**22 + 1) is None
        assert is_running(child.pid)
        assert executable_of(child.pid) == os.path.realpath(sys.executable)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(child.pid)
