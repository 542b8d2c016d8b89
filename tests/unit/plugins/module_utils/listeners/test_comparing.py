"""What differs from what was accepted and expected, as values."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.comparing import (
    MAX_ROWS,
    compare_baseline,
    compare_expected,
    read_expected,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.listening import Listener, Owner

NODE = Owner("/usr/bin/node", "node server.js", "neurosense", "tick.service")
OTHER = Owner("/usr/bin/node", "node other.js", "neurosense", "tick.service")
SHELL = Owner("/usr/bin/bash", "bash", "neurosense", "tick.service")
ROOT = Owner("/usr/bin/node", "node server.js", "root", "tick.service")
#: It holds the sockets of services that it starts when somebody calls.
SYSTEMD = Owner("/usr/lib/systemd/systemd", "systemd", "root")
PERL = Owner("/usr/bin/perl", "perl", "neurosense")
SSHD = Owner("/usr/sbin/sshd", "sshd", "root", "ssh.service")


def at(port: int, address: str = "0.0.0.0", *owners: Owner, protocol: str = "tcp") -> Listener:
    return Listener(protocol, address, port, owners or (NODE,))


def rows(checks: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(row["check"], row["subject"], row["status"]) for row in checks if row["status"] != "ok"]


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ([at(1)], [at(1)], []),
        ([at(1), at(2)], [at(1)], [("port.unexpected", "tcp 0.0.0.0:2", "critical")]),
        ([at(2, "127.0.0.1")], [], [("port.unexpected", "tcp 127.0.0.1:2", "warning")]),
        ([at(2, "::1")], [], [("port.unexpected", "tcp [::1]:2", "warning")]),
        ([at(2, "192.0.2.1", protocol="udp")], [], [("port.unexpected", "udp 192.0.2.1:2", "critical")]),
        ([], [at(1)], [("port.missing", "tcp 0.0.0.0:1", "warning")]),
        # The same port of another protocol is another port.
        ([at(1, protocol="udp")], [at(1)], [("port.unexpected", "udp 0.0.0.0:1", "critical"), ("port.missing", "tcp 0.0.0.0:1", "warning")]),
        # The address.
        ([at(1)], [at(1, "127.0.0.1")], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "192.0.2.1")], [at(1, "127.0.0.1")], [("port.changed", "tcp 192.0.2.1:1", "critical")]),
        ([at(1)], [at(1, "192.0.2.1")], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "127.0.0.1")], [at(1)], [("port.changed", "tcp 127.0.0.1:1", "warning")]),
        ([at(1), at(1, "::")], [at(1)], [("port.unexpected", "tcp [::]:1", "critical")]),
        # Both at once: who moved and who else holds it.
        ([at(1, "127.0.0.1", SHELL)], [at(1)], [("port.changed", "tcp 127.0.0.1:1", "critical")]),
        # The owner.
        ([at(1, "0.0.0.0", SHELL)], [at(1)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "0.0.0.0", ROOT)], [at(1)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "0.0.0.0", OTHER)], [at(1)], [("port.changed", "tcp 0.0.0.0:1", "warning")]),
        ([at(1, "0.0.0.0", NODE, SHELL)], [at(1)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1)], [at(1, "0.0.0.0", NODE, OTHER)], []),
        # A socket of systemd, whose service runs or does not.
        ([at(1, "0.0.0.0", SYSTEMD, SSHD)], [at(1, "0.0.0.0", SYSTEMD)], []),
        ([at(1, "0.0.0.0", SYSTEMD)], [at(1, "0.0.0.0", SYSTEMD, SSHD)], []),
        ([at(1, "0.0.0.0", SSHD)], [at(1, "0.0.0.0", SYSTEMD)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "0.0.0.0", SYSTEMD, SSHD)], [at(1)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "0.0.0.0", SYSTEMD, Owner("/tmp/x", "x", "root"))], [at(1, "0.0.0.0", SYSTEMD)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([at(1, "0.0.0.0", Owner("/tmp/systemd", "systemd", "root"))], [at(1, "0.0.0.0", SYSTEMD)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
        ([Listener("tcp", "0.0.0.0", 1)], [at(1)], [("port.changed", "tcp 0.0.0.0:1", "critical")]),
    ],
)
def test_what_differs(now: list[Listener], before: list[Listener], expected: list[tuple[str, str, str]]) -> None:
    assert rows(compare_baseline(now, before, [], owners_known=True)[0]) == expected


def test_without_owners_only_addresses_are_compared() -> None:
    checks, names = compare_baseline([Listener("tcp", "0.0.0.0", 1), at(2)], [at(1)], [], owners_known=False)
    assert rows(checks) == [("port.unexpected", "tcp 0.0.0.0:2", "critical")]
    assert names == {"new": ["tcp 0.0.0.0:2"], "gone": [], "changed": []}


def test_the_names_of_what_differs() -> None:
    now = [at(1), at(2), at(3, "0.0.0.0", SHELL), at(4, "127.0.0.1")]
    checks, names = compare_baseline(now, [at(1), at(3), at(4), at(5)], [], owners_known=True)
    assert names == {"new": ["tcp 0.0.0.0:2"], "gone": ["tcp 0.0.0.0:5"], "changed": ["tcp 127.0.0.1:4", "tcp 0.0.0.0:3"]}
    assert next(row for row in checks if row["status"] == "ok")["value"] == 1


@pytest.mark.parametrize(
    ("entry", "now", "expected"),
    [
        ({"port": 1}, [at(1)], []),
        ({"port": 1}, [], [("port.missing", "tcp *:1", "critical")]),
        ({"port": 1, "protocol": "udp"}, [at(1)], [("port.missing", "udp *:1", "critical")]),
        ({"port": 1, "address": "127.0.0.1"}, [at(1)], [("port.missing", "tcp 127.0.0.1:1", "critical")]),
        ({"port": 1, "unit": "tick"}, [at(1)], []),
        ({"port": 1, "unit": "tick.service", "user": "neurosense", "process": "node *"}, [at(1)], []),
        ({"port": 1, "process": "node"}, [at(1)], []),
        ({"port": 1, "process": "/usr/bin/node"}, [at(1)], []),
        ({"port": 1, "process": "nginx"}, [at(1)], [("port.unexpected", "tcp 0.0.0.0:1", "critical")]),
        ({"port": 1, "unit": "tack"}, [at(1)], [("port.unexpected", "tcp 0.0.0.0:1", "critical")]),
        ({"port": 1, "user": "root"}, [at(1), at(1, "::", ROOT)], [("port.unexpected", "tcp 0.0.0.0:1", "critical")]),
        # Others who share it.
        ({"port": 1, "unit": "tick"}, [at(1, "0.0.0.0", NODE, PERL)], [("port.unexpected", "tcp 0.0.0.0:1", "warning")]),
        ({"port": 1}, [at(1, "0.0.0.0", NODE, PERL)], []),
        ({"port": 1, "user": "neurosense"}, [at(1, "0.0.0.0", NODE, ROOT)], []),
        ({"port": 1, "process": "node *"}, [at(1, "0.0.0.0", SYSTEMD, NODE)], []),
    ],
)
def test_what_the_platform_expects(entry: dict[str, Any], now: list[Listener], expected: list[tuple[str, str, str]]) -> None:
    assert rows(compare_expected(now, read_expected([entry]), owners_known=True)) == expected
    if expected and expected[0][0] == "port.unexpected":
        assert rows(compare_expected(now, read_expected([entry]), owners_known=False)) == []


def test_a_port_may_be_expected_of_several() -> None:
    shared = read_expected([{"port": 1, "user": "root"}, {"port": 1, "user": "neurosense"}])
    assert rows(compare_expected([at(1)], shared, owners_known=True)) == []
    assert rows(compare_expected([at(1, "0.0.0.0", Owner("/x", "x", "bob"))], shared, owners_known=True)) == [("port.unexpected", "tcp 0.0.0.0:1", "critical")]


def test_no_two_checks_are_of_the_same_subject() -> None:
    now = [at(1, "127.0.0.1", SHELL), at(2), at(3, "::", SHELL), at(3, "0.0.0.0", SHELL)]
    expected = read_expected([{"port": 3, "user": "root"}, {"port": 3, "unit": "x"}, {"port": 9}, {"port": 9}])
    checks = compare_expected(now, expected, owners_known=True) + compare_baseline(now, [at(1), at(5)], expected, owners_known=True)[0]
    names = [(row["check"], row["subject"]) for row in checks]
    assert len(names) == len(set(names))


def test_what_is_expected_need_not_be_in_the_baseline() -> None:
    expected = read_expected([{"port": 1}, {"port": 3}])
    assert rows(compare_baseline([at(1)], [at(3)], expected, owners_known=True)[0]) == []


def test_many_differences_are_bounded_the_worst_first() -> None:
    now = [at(port, "127.0.0.1") for port in range(1, 200)] + [at(300)]
    found = rows(compare_baseline(now, [], [], owners_known=True)[0])
    assert len(found) == MAX_ROWS + 1 and found[0][1] == "tcp 0.0.0.0:300"
    assert found[-1] == ("port.unexpected", "further listeners", "warning")


def test_wrong_entries_are_refused_in_words() -> None:
    for entry, said in (({"port": 0}, "expected[0].port: 0 is not accepted"), ({"port": 1, "address": "host"}, "expected[0].address: 'host' is no address")):
        with pytest.raises(UpkeepError, match=said.replace("[", r"\[")):
            read_expected([entry])


def test_two_programs_that_are_both_expected_may_share_a_port() -> None:
    both = read_expected([{"port": 1, "process": "node *"}, {"port": 1, "process": "perl"}])
    assert rows(compare_expected([at(1, "0.0.0.0", NODE, PERL)], both, owners_known=True)) == []
    assert len(rows(compare_expected([at(1, "0.0.0.0", NODE, PERL, SHELL)], both, owners_known=True))) == 1
