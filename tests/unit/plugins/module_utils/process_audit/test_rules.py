"""Each rule on processes as they are found on hosts: what it must see, and what it must leave alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.socket_tables import Socket
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit import rules
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.auditing import own_processes
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.rules import RULES, Context
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.snapshot import Seen, Snapshot, script_of

OUT = Socket("tcp", "192.0.2.7", 40000, "203.0.113.9", 0, 5)
LOCAL = Socket("tcp", "127.0.0.1", 40000, "127.0.0.1", 0, 5)
LISTENING = Socket("tcp", "0.0.0.0", 8081, None, 0, 5)


def seen(executable: str | None, *argv: str, pid: int = 50, parent: int = 1, uid: int = 0, **facts: Any) -> Seen:
    name = facts.pop("name", (executable or "x").rsplit("/", 1)[-1][:15])
    return Seen(pid, parent, name, uid, uid, argv=argv or (executable or "x",), executable=executable, **facts)


def found(process: Seen, *others: Seen, **context: Any) -> dict[str, str]:
    """Return the rules that see something in a process, with their statuses."""
    snapshot = Snapshot({one.pid: one for one in (seen("/sbin/init", pid=1, parent=0), *others, process)})
    hits = {rule.id: rule.look(process, Context(snapshot, **context)) for rule in RULES}
    return {name: hit.status for name, hit in hits.items() if hit}


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (seen("/usr/sbin/nginx", "nginx: worker process", uid=33), {}),
        (seen("/usr/bin/x", deleted=True), {"deleted_executable": "critical"}),
        (seen("/usr/bin/x", deleted=True, replaced=True), {"deleted_executable": "warning"}),
        (seen("/memfd:x", deleted=True), {"memory_executable": "critical"}),
        (seen("/tmp/x"), {"temporary_executable": "critical"}),
        (seen("/dev/shm/.x/y"), {"temporary_executable": "critical", "hidden_executable": "critical"}),
        (seen("/run/user/1000/x"), {"temporary_executable": "critical"}),
        (seen("/tmpfiles/x"), {}),
        (seen("/usr/lib/.x/y"), {"hidden_executable": "critical"}),
        (seen("/home/a/.x/y"), {"hidden_executable": "warning"}),
        (seen("/home/a/.nvm/versions/node/v22/bin/node", "node", "server.js"), {}),
        (seen("/usr/bin/python3.11", "python3", "/var/tmp/x.py", script="/var/tmp/x.py"), {"temporary_executable": "critical"}),
        (seen("/usr/bin/python3.11", "python3", "/root/.ansible/tmp/a/AnsiballZ_x.py", script="/root/.ansible/tmp/a/AnsiballZ_x.py"), {}),
        (seen("/usr/bin/node", "node", "x.js", script="/opt/a/x.js", script_exists=False), {"deleted_executable": "warning"}),
        # Threads of the kernel, and those who would be taken for one.
        (seen(None, "", kernel=True, name="kworker/0:1"), {}),
        (seen("/usr/bin/x", "[kworker/0:1]", name="x"), {"other_name": "critical"}),
        (seen("/usr/bin/x", "x", name="kworker/0:1"), {"other_name": "critical"}),
        (seen("/usr/bin/python3.11", "[celeryd: celery@host:MainProcess]", name="celery"), {}),
        # Names that belong to others.
        (seen("/usr/bin/perl", "sshd", name="sshd"), {"other_name": "critical"}),
        (seen("/usr/bin/perl", "/usr/sbin/sshd", "-D", name="perl"), {"other_name": "critical"}),
        (seen("/usr/lib/openssh/sshd-session", "sshd-session: alice@pts/0", name="sshd-session"), {}),
        (seen("/usr/lib/systemd/systemd", "/lib/systemd/systemd", "--user", name="systemd"), {}),
        (seen("/usr/lib/systemd/systemd-timesyncd", name="systemd-timesyn"), {}),
        (seen("/usr/bin/rsync", "rsync", "--daemon"), {}),
        # A link of the system, and one that anybody may have made.
        (seen("/usr/bin/udevadm", "/lib/systemd/systemd-udevd", name="systemd-udevd", real_first="/usr/bin/udevadm"), {}),
        (seen("/usr/bin/udevadm", "/lib/systemd/systemd-udevd", name="sshd", real_first="/usr/bin/udevadm"), {"other_name": "critical"}),
        (seen("/opt/x/evil", "/opt/x/systemd-udevd", name="systemd-udevd", real_first="/opt/x/evil"), {"other_name": "critical"}),
        (seen("/usr/bin/x", "/lib/systemd/systemd-udevd", name="x", real_first="/usr/bin/udevadm"), {"other_name": "critical"}),
        # One program of many tools is the tool by whose name it is called.
        (seen("/bin/busybox", "crond", "-f", name="crond"), {}),
        (seen("/bin/busybox", "sleep", "9", name="sleep"), {}),
        (seen("/bin/busybox", "sh", name="sh", sockets=(OUT,)), {"interpreter_socket": "critical"}),
        (seen("/bin/busybox", "/bin/busybox", "ash", sockets=(OUT,)), {"interpreter_socket": "critical"}),
        (seen("/bin/busybox", "busybox", "nc", "-l", sockets=(LISTENING,)), {"interpreter_socket": "warning"}),
        (seen("/usr/bin/bash", "-bash"), {}),
        (seen("/usr/bin/dash", "-su"), {}),
        (seen("/usr/bin/bash", "updater"), {"other_name": "warning"}),
        (seen("/usr/bin/x", "/usr/bin/y", real_first="/usr/bin/y"), {"other_name": "warning"}),
        (seen("/usr/bin/x", "/bin/x", real_first="/usr/bin/x"), {}),
        # Sockets.
        (seen("/usr/bin/bash", "bash", sockets=(LOCAL,)), {"interpreter_socket": "critical"}),
        (seen("/usr/bin/python3", "python3", sockets=(OUT,)), {"interpreter_socket": "warning"}),
        (seen("/usr/bin/python3", "python3", sockets=(OUT,), on_standard=True), {"interpreter_socket": "critical"}),
        (seen("/usr/bin/python3", "python3", sockets=(LOCAL,)), {}),
        (seen("/usr/bin/node", "node", sockets=(LISTENING,)), {"interpreter_socket": "warning"}),
        (seen("/usr/bin/ncat", "ncat", sockets=(LISTENING,)), {"interpreter_socket": "warning"}),
        # Libraries.
        (seen("/usr/bin/node", "node", preload="LD_PRELOAD=/usr/lib/libjemalloc.so.2"), {"preloaded_library": "warning"}),
        (seen("/usr/bin/node", "node", preload="LD_PRELOAD=/usr/lib/a.so:/tmp/x.so"), {"preloaded_library": "critical"}),
        (seen("/usr/bin/node", "node", preload="LD_AUDIT=/usr/lib/.x.so"), {"preloaded_library": "critical"}),
        # Nothing is known of it: nothing is said.
        (seen(None, "sshd", denied=True, name="sshd"), {}),
    ],
)
def test_what_a_rule_sees(process: Seen, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "units_of", lambda _pid: [])
    assert found(process) == expected


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (["system.slice", "tick-backend.service"], {}),
        (["user.slice", "user@1000.service"], {"interpreter_socket": "warning"}),
        (["user.slice", "session-3.scope"], {"interpreter_socket": "warning"}),
    ],
)
def test_an_interpreter_of_a_service_may_have_sockets(units: list[str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "units_of", lambda _pid: units)
    assert found(seen("/usr/bin/node", "node", sockets=(LISTENING,))) == expected
    assert found(seen("/usr/bin/bash", "bash", sockets=(OUT,))) == {"interpreter_socket": "critical"}
    assert found(seen("/usr/bin/node", "node", sockets=(OUT,)), expected_socket=lambda _process: True) == {}


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        (seen("/usr/sbin/nginx", "nginx: worker process", pid=40), {"unexpected_parent": "critical"}),
        (seen("/usr/bin/node", "node", "/opt/a/server.js", pid=40), {"unexpected_parent": "warning"}),
        (seen("/usr/sbin/php-fpm8.2", "php-fpm: pool www", pid=40), {"unexpected_parent": "warning"}),
        (seen("/usr/bin/node", "npm run start", pid=40), {}),
        (seen("/usr/bin/node", "node", "/usr/bin/npm", "start", pid=40), {}),
        (seen("/usr/bin/node", "PM2 v5.3.0: God Daemon (/root/.pm2)", pid=40), {}),
        (seen("/usr/sbin/cron", "/usr/sbin/cron", pid=40), {}),
    ],
)
def test_who_starts_a_shell(parent: Seen, expected: dict[str, str]) -> None:
    assert found(seen("/usr/bin/dash", "sh", "-c", "id", parent=40, uid=33), parent) == expected
    assert found(seen("/usr/bin/convert", "convert", parent=40, uid=33), parent) == {}


@pytest.mark.parametrize(
    ("program", "between", "uid", "expected"),
    [
        ("/usr/bin/id", "/usr/bin/x", 33, {"unexpected_root": "critical"}),
        ("/usr/bin/id", "/usr/bin/x", 1500, {"unexpected_root": "critical"}),
        ("/usr/bin/id", "/usr/bin/x", 1000, {}),
        ("/usr/bin/id", "/usr/bin/sudo", 33, {}),
        ("/usr/sbin/exim4", "/usr/bin/x", 33, {}),
    ],
)
def test_root_below_a_service(program: str, between: str, uid: int, expected: dict[str, str]) -> None:
    service = seen("/usr/sbin/apache2", pid=40, uid=uid)
    middle = seen(between, pid=45, parent=40)
    assert found(seen(program, parent=45), service, middle, service_uids=frozenset({1500})) == expected


def test_the_module_and_ansible_are_passed_over() -> None:
    chain = [
        seen("/usr/sbin/sshd", pid=10), seen("/usr/bin/bash", pid=11, parent=10), seen("/usr/bin/sudo", pid=12, parent=11),
        seen("/usr/bin/dash", pid=13, parent=12), seen("/usr/bin/python3.11", pid=14, parent=13), seen("/usr/bin/bash", pid=15, parent=10),
    ]
    assert own_processes(Snapshot({one.pid: one for one in chain}), 14) == {11, 12, 13, 14}


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python3 /a/b.py c", "/a/b.py"), ("node --inspect server.js", "/w/server.js"), ("bash ../x", "/x"), ("bash", None), ("bash -i", None),
        ("python3 -c /tmp/x", None), ("python3 -Ic /tmp/x", None), ("python3 -m http.server /tmp/x", None), ("python3 -um x /tmp/x", None),
        ("python3 -W ignore /tmp/x", "/tmp/x"), ("python3.11 -E /tmp/x", "/tmp/x"),
        ("bash -lc /opt/a/run&&x", None), ("sh -ec /tmp/x", None), ("bash -o pipefail -c /tmp/x", None), ("bash -s /tmp/x", None),
        ("sh -e /tmp/x.sh", "/tmp/x.sh"), ("bash -o pipefail /tmp/x", "/tmp/x"), ("bash --rcfile /a/rc /tmp/x", "/tmp/x"), ("sh -- /tmp/x", "/tmp/x"),
        ("perl -ne /x/", None), ("perl -I /lib/x -w /tmp/x", "/tmp/x"), ("perl -MFile::Temp /tmp/x", "/tmp/x"), ("ruby -e /x/", None),
        ("node -r /a/b.js /tmp/x.js", "/tmp/x.js"), ("node -pe /x/", None), ("php -r /x/", None), ("php -d a=/b /tmp/x", "/tmp/x"),
        ("lua -e /x/", None), ("busybox sh /tmp/x", "/tmp/x"), ("busybox sh -c /tmp/x", None), ("tclsh /tmp/x", "/tmp/x"),
    ],
)
def test_the_script_of_an_interpreter(command: str, script: str | None) -> None:
    argv = command.split()
    assert script_of(seen(f"/usr/bin/{argv[0]}", *argv, working_directory="/w")) == script
