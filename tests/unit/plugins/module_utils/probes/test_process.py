"""The process probe on a host of our own and on this one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.process import is_ansible

HAS_PSUTIL = importlib.util.find_spec("psutil") is not None


@pytest.fixture
def host(fake_host):
    """A host on which this probe runs under ansible, next to two workers, an editor, a zombie and a kernel thread."""
    fake_host.add(100, argv=["/usr/bin/node", "/opt/app/server.js"], uid=1000, exe="/usr/bin/node")
    fake_host.add(101, argv=["node", "/opt/app/server.js", "--worker"], uid=1001, exe="/usr/bin/node")
    fake_host.add(102, argv=["vim", "/opt/app/server.js"], uid=1000, exe="/usr/bin/vim")
    fake_host.add(103, argv=[], state="zombie", name="server.js")
    fake_host.add(104, argv=[], vms=0, parent=2, name="server.js")
    fake_host.add(200, argv=["ansible-playbook", "-e", "pattern=server.js"], parent=1)
    fake_host.add(201, argv=["/usr/bin/python3", "/usr/bin/ansible-playbook", "server.js"], parent=200)
    fake_host.add(300, argv=["sshd: root@notty server.js"], parent=1)
    fake_host.add(301, argv=["/bin/sh", "-c", "sudo -u x python3 server.js"], parent=300)
    fake_host.add(302, argv=["sudo", "-u", "x", "python3", "server.js"], parent=301)
    # Asked here, not at import: ansible-test gives each test a process of its own.
    fake_host.add(os.getpid(), argv=["python3", "server.js"], parent=302)
    fake_host.add(303, argv=["sh", "-c", "/root/.ansible/tmp/ansible-tmp-1/AnsiballZ_x.py server.js"], parent=1)
    return fake_host


@pytest.mark.parametrize(
    ("options", "pids"),
    [
        ({"pattern": r"server\.js"}, [100, 101, 102]),
        ({"pattern": "^(/usr/bin/)?node .*server"}, [100, 101]),
        ({"pattern": "server", "user": "1000"}, [100, 102]),
        ({"pattern": "server", "exe": "/usr/bin/node"}, [100, 101]),
        ({"exe": "/usr/bin/vim"}, [102]),
        ({"user": "1001"}, [101]),
        ({"pattern": "nothing like it"}, []),
        ({"pattern": "server", "user": "nosuchuser"}, []),
    ],
)
def test_only_the_service_matches_never_the_probe_or_what_started_it(host, look, options, pids):
    outcome = look("process", **options)
    assert outcome.details["pids"] == pids
    assert outcome.status == ("ok" if pids else "critical")
    assert outcome.value == len(pids)


@pytest.mark.parametrize(
    ("bounds", "status", "said"),
    [
        ({"minimum": 3}, "ok", "3 (pid 100, 101, 102)."),
        ({"minimum": 4}, "critical", "3 (pid 100, 101, 102); at least 4 expected."),
        ({"maximum": 3}, "ok", ""),
        ({"maximum": 2}, "critical", "; at most 2 expected."),
        ({"minimum": 0, "maximum": 0}, "critical", "at most 0 expected"),
    ],
)
def test_the_number_is_judged(host, look, bounds, status, said):
    outcome = look("process", pattern="server", **bounds)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def test_a_process_that_was_stopped_does_no_work_but_is_there(host, look):
    host.add(104, argv=["node", "frozen.js"], state="stopped")
    outcome = look("process", pattern="frozen")
    assert (outcome.status, "1 stopped by a signal" in outcome.summary) == ("critical", True), outcome.summary
    assert outcome.details["pids"] == [104]
    assert look("process", pattern="frozen", minimum=0, maximum=0).status == "critical"
    assert look("process", pattern="frozen|server").status == "ok"


def test_hidden_processes_are_not_absent_ones(host, look):
    del host.shown[1]
    outcome = look("process", pattern="nothing like it")
    assert (outcome.status, "hidepid" in outcome.summary, "become" in outcome.hint) == ("unknown", True, True)
    assert outcome.permanent


@pytest.mark.parametrize(
    ("seen", "bounds", "status"),
    [
        (0, {}, "unknown"),
        (1, {}, "ok"),
        (1, {"minimum": 2}, "unknown"),
        (1, {"maximum": 1}, "unknown"),
        (2, {"maximum": 1}, "critical"),
        (0, {"minimum": 0, "maximum": 0}, "unknown"),
    ],
)
def test_a_program_that_may_not_be_known_is_not_another_program(fake_host, look, seen, bounds, status):
    """What is hidden matters where it could change the verdict."""
    fake_host.add(50, argv=["/usr/bin/node"])
    for number in range(seen):
        fake_host.add(60 + number, argv=["/usr/bin/node"], exe="/usr/bin/node")
    outcome = look("process", pattern="node", exe="/usr/bin/node", **bounds)
    assert (outcome.status, "may not see which program" in outcome.summary) == (status, status == "unknown")


def test_a_process_that_ended_meanwhile_hides_nothing(fake_host, look):
    fake_host.add(50, argv=["/usr/bin/node"])
    (fake_host.proc / "50" / "stat").unlink()
    assert look("process", pattern="node", exe="/usr/bin/node").status == "critical"


@pytest.mark.usefixtures("no_psutil")
def test_without_psutil_it_is_unknown_and_says_how_to_install_it(look):
    outcome = look("process", pattern="node", maximum=0, minimum=0)
    assert (outcome.status, outcome.permanent) == ("unknown", True)
    assert "Processes matching 'node' could not be checked: psutil is not installed for" in outcome.summary
    assert "upkeep.runbook.prepare" in outcome.hint


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/usr/bin/python3", "/usr/local/bin/ansible-playbook", "x.yml"], True),
        (["ansible", "all", "-m", "ping"], True),
        (["python3", "/home/x/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_setup.py"], True),
        (["node", "/opt/ansible-docs/server.js"], False),
        (["node", "server.js", "ansible-playbook"], False),
        ([], False),
    ],
)
def test_ansible_is_known_by_its_programs_and_modules(argv, expected):
    assert is_ansible(argv) is expected


def test_a_real_process_is_seen_and_not_this_one(look):
    """Without psutil on this Python each look is unknown."""
    mark = f"upkeep-test-{os.getpid()}-marker"
    code = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, mark], stdin=subprocess.PIPE) as child:
        outcome = look("process", pattern=mark, maximum=1)
        assert outcome.status == ("ok" if HAS_PSUTIL else "unknown"), outcome.summary
        assert outcome.details == ({"count": 1, "pids": [child.pid]} if HAS_PSUTIL else {})
        child.kill()  # not yet waited for: a zombie
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert look("process", pattern=mark).status == ("critical" if HAS_PSUTIL else "unknown")
    assert look("process", pattern=f"{mark}|{os.getpid()}").status == ("critical" if HAS_PSUTIL else "unknown")
