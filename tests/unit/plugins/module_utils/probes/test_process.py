"""The process probe on a /proc of our own and on the real one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.process import probe_process
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.process_table import (
    is_ansible,
    read_process,
    read_processes,
)

KERNEL_THREAD = 0x00200000
ME = os.getpid()


def probe(proc, **options):
    (read,) = read_probes([{"type": "process", **options}], {})
    return probe_process(read.options, Deadline(5), proc.root)


@pytest.fixture
def host(fake_proc):
    """A host on which this probe runs under ansible, next to two workers, an editor, a zombie and a kernel thread."""
    fake_proc.add(100, argv=["/usr/bin/node", "/opt/app/server.js"], uid=1000, exe="/usr/bin/node")
    fake_proc.add(101, argv=["node", "/opt/app/server.js", "--worker"], uid=1001, exe="/usr/bin/node")
    fake_proc.add(102, argv=["vim", "/opt/app/server.js"], uid=1000, exe="/usr/bin/vim")
    fake_proc.add(103, argv=[], state="Z", name="server.js")
    fake_proc.add(104, argv=[], flags=KERNEL_THREAD, parent=2, name="server.js")
    fake_proc.add(200, argv=["ansible-playbook", "-e", "pattern=server.js"], parent=1)
    fake_proc.add(201, argv=["/usr/bin/python3", "/usr/bin/ansible-playbook", "server.js"], parent=200)
    fake_proc.add(300, argv=["sshd: root@notty server.js"], parent=1)
    fake_proc.add(301, argv=["/bin/sh", "-c", "sudo -u x python3 server.js"], parent=300)
    fake_proc.add(302, argv=["sudo", "-u", "x", "python3", "server.js"], parent=301)
    fake_proc.add(ME, argv=["python3", "server.js"], parent=302)
    fake_proc.add(303, argv=["sh", "-c", "/root/.ansible/tmp/ansible-tmp-1/AnsiballZ_x.py server.js"], parent=1)
    return fake_proc


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
def test_only_the_service_matches_never_the_probe_or_what_started_it(host, options, pids):
    outcome = probe(host, **options)
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
def test_the_number_is_judged(host, bounds, status, said):
    outcome = probe(host, pattern="server", **bounds)
    assert (outcome.status, said in outcome.summary) == (status, True), outcome.summary


def test_hidden_processes_are_not_absent_ones(fake_proc):
    (fake_proc.root / "1").rename(fake_proc.root.parent / "hidden")
    fake_proc.add(50, argv=["python3"])
    with pytest.raises(Unchecked, match="hidepid") as problem:
        probe(fake_proc, pattern="node")
    assert "become" in problem.value.hint


def test_a_program_that_may_not_be_known_is_not_another_program(fake_proc):
    fake_proc.add(50, argv=["node"])
    with pytest.raises(Unchecked, match="may not see which program"):
        probe(fake_proc, pattern="node", exe="/usr/bin/node")


def test_a_system_without_proc_is_unknown(tmp_path):
    with pytest.raises(Unchecked):
        read_processes(tmp_path / "missing")
    with pytest.raises(Unchecked):
        read_processes(tmp_path)


def test_a_name_with_parentheses_and_bytes_that_are_no_utf8_are_read(fake_proc):
    fake_proc.add(60, argv=["x"], name="a) R (b", uid=7)
    (fake_proc.root / "60" / "cmdline").write_bytes(b"\xff\xfe\0--token=1\0")
    process = read_process(60, fake_proc.root)
    assert process is not None
    assert (process.name, process.uid, process.parent) == ("a) R (b", 7, 1)
    assert process.argv == (os.fsdecode(b"\xff\xfe"), "--token=1")
    assert "token" not in process.shown


def test_a_process_that_ends_while_it_is_read_is_none(fake_proc):
    fake_proc.add(61, argv=["x"])
    (fake_proc.root / "61" / "status").unlink()
    assert read_process(61, fake_proc.root) is None
    assert read_process(62, fake_proc.root) is None


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


def test_the_real_proc_shows_a_real_process_and_not_this_one(look):
    mark = f"upkeep-test-{os.getpid()}-marker"
    code = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, mark], stdin=subprocess.PIPE) as child:
        outcome = look("process", pattern=mark, maximum=1)
        assert outcome.status == "ok", outcome.summary
        assert outcome.details["pids"] == [child.pid]
        child.kill()  # not yet waited for: a zombie
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert look("process", pattern=mark).status == "critical"
    assert look("process", pattern=f"{mark}|{os.getpid()}").status == "critical"
