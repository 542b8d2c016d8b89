"""The rules of an isolation, its record, its timer and its unit, as values; the kernel has its own tests in tests/integration."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import revert_timer
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.chains import Chain
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolating import revert_command
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_answer import Seen, answer_acting, judge
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_boot import unit_text
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_record import (
    CONFIRMED,
    FILE_NAME,
    PENDING,
    RELEASED,
    TIMER_PREFIX,
    Record,
    read_record,
    write_record,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_rules import (
    HOOKS,
    PRIORITY,
    is_in_force,
    isolation_rules,
    read_ways,
    ruleset,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import Connection

OPERATOR = Connection(ip_address("198.51.100.5"), 2222)


def params(**changes: Any) -> dict[str, Any]:
    return {"management": [], "management_ports": [22], "dns_servers": [], "time_servers": [], "dhcp": False, **changes}


def rules(*operators: Connection, **changes: Any) -> dict[str, list[str]]:
    return isolation_rules(read_ways(params(**changes), operators))


def test_every_way_in_has_its_way_out() -> None:
    found = rules(
        OPERATOR, Connection(ip_address("2001:db8::5"), 22), management=["198.51.100.5", "203.0.113.0/24"], dns_servers=["192.0.2.53"],
        time_servers=["2001:db8::123"], dhcp=True,
    )
    arriving = [rule for rule in found["arriving"] if "type" not in rule and "lo" not in rule and rule != "counter"]
    leaving = [rule for rule in found["leaving"] if "type" not in rule and "lo" not in rule and rule != "counter"]
    turned = [
        rule.replace(" saddr ", " X ").replace(" dport ", " Y ").replace(" sport ", " dport ").replace(" Y ", " sport ").replace(" X ", " daddr ")
        for rule in arriving
    ]
    assert [sorted(rule.split()) for rule in turned] == [sorted(rule.split()) for rule in leaving]
    assert "ip saddr 198.51.100.5 tcp dport { 22, 2222 } accept" in arriving
    assert "ip saddr 203.0.113.0/24 tcp dport { 22, 2222 } accept" in arriving
    assert "ip6 saddr 2001:db8::5 tcp dport 22 accept" in arriving and "ip saddr 192.0.2.53 udp sport 53 accept" in arriving
    assert "ip6 daddr 2001:db8::123 udp dport 123 accept" in leaving and found["passing"] == ["counter"]


def test_only_what_is_named_stays_open() -> None:
    found = rules(OPERATOR)
    assert not [rule for rule in found["leaving"] + found["arriving"] if "53" in rule or "123" in rule or "67" in rule]
    # What leaves goes to the operator, over loopback, or to neighbors.
    assert [rule.split()[0] for rule in found["leaving"]] == ["oifname", "ip", "icmpv6", "counter"]


@pytest.mark.parametrize(
    ("changes", "operators", "named"),
    [
        ({}, (), "no way back"),
        ({"management": ["x"]}, (), "management[0]"),
        ({"management": ["192.0.2.1"], "management_ports": []}, (OPERATOR,), "management_ports"),
        ({"management": ["192.0.2.1", "127.0.0.0/8"]}, (OPERATOR,), "management: from 127.0.0.0/8 nobody comes in"),
        ({"management_ports": [0]}, (OPERATOR,), "management_ports[0]"),
        ({"dns_servers": ["192.0.2.1", "8.8.8.8; accept"]}, (OPERATOR,), "dns_servers[1]"),
        ({"time_servers": ["pool.example.org"]}, (OPERATOR,), "time_servers[0]"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], operators: tuple[Connection, ...], named: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        rules(*operators, **changes)
    assert named in caught.value.message


def test_the_transaction_names_the_table_deletes_it_and_makes_it_anew() -> None:
    text = ruleset(rules(OPERATOR))
    assert text.startswith("table inet upkeep_isolation\ndelete table inet upkeep_isolation\ntable inet upkeep_isolation {\n")
    assert [line.strip() for line in text.splitlines() if "hook" in line] == [
        f"type filter hook {hook} priority -500; policy drop;" for hook in ("input", "forward", "output")
    ]
    assert ruleset(None).count("\n") == 2


def in_kernel(wanted: dict[str, list[str]], **changes: Any) -> dict[str, Chain]:
    return {
        name: Chain(hook, changes.get("priority", PRIORITY), changes.get("policy", "drop"), ["" if one == "counter" else one for one in wanted[name]])
        for name, hook in HOOKS.items()
    }


def test_what_is_in_force_is_all_of_it_and_nothing_else() -> None:
    wanted = rules(OPERATOR)
    whole = in_kernel(wanted)
    assert is_in_force(whole, wanted)
    assert not is_in_force(None, wanted) and not is_in_force(in_kernel(wanted, policy="accept"), wanted)
    assert not is_in_force(in_kernel(wanted, priority=0), wanted)
    assert not is_in_force({**whole, "more": Chain(None, None, None)}, wanted)
    assert not is_in_force({name: chain for name, chain in whole.items() if name != "passing"}, wanted)
    assert not is_in_force(in_kernel({**wanted, "arriving": ["accept", *wanted["arriving"]]}), wanted)


def record(**changes: Any) -> Record:
    given: dict[str, Any] = {
        "phase": PENDING, "since": "2026-11-22T05:00:00Z", "reason": "INC-42", "run_id": "r", "reverts_at": "2026-11-22T05:05:00Z",
        "timers": ["upkeep-isolation-revert-0123abcd"], "rules": rules(OPERATOR),
    }
    return Record(**{**given, **changes})


CONFIRMED_RECORD = record(phase=CONFIRMED, reverts_at=None, timers=[])
CHAINS = in_kernel(rules(OPERATOR))
TIMERS = ("upkeep-isolation-revert-0123abcd",)
NO_BUS = "Nobody can tell whether upkeep-isolation-revert-0123abcd.timer will come (Failed to connect to bus: Host is down)"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (Seen(None, None, (), False), ["ok"]),
        (Seen(CHAINS, record(), TIMERS, False), ["warning", "ok"]),
        (Seen(CHAINS, record(), (), False), ["warning", "critical"]),
        (Seen(CHAINS, CONFIRMED_RECORD, (), True), ["warning"]),
        (Seen(CHAINS, CONFIRMED_RECORD, TIMERS, False), ["warning", "critical"]),
        (Seen(CHAINS, None, (), False), ["critical"]),
        (Seen(in_kernel(rules(OPERATOR, dhcp=True)), CONFIRMED_RECORD, (), False), ["critical"]),
        (Seen(None, record(), (), False), ["warning"]),
        (Seen(None, CONFIRMED_RECORD, (), False), ["critical"]),
        (Seen(None, None, (), True), ["critical"]),
        (Seen(None, record(), (), True), ["critical"]),
        (Seen(CHAINS, record(), (), False, NO_BUS), ["warning", "unknown"]),
        (Seen(CHAINS, record(phase=CONFIRMED), (), False, NO_BUS), ["warning", "unknown"]),
        (Seen(None, record(phase=RELEASED), (), False, NO_BUS), ["ok", "unknown"]),
        (Seen(None, record(phase=RELEASED), TIMERS, False), ["ok", "warning"]),
        (Seen(None, record(phase=RELEASED), (), False), ["ok"]),
        (Seen(None, record(), (), False, NO_BUS), ["warning", "unknown"]),
    ],
)
def test_what_is_said(seen: Seen, expected: list[str]) -> None:
    assert [row["status"] for row in judge(seen)] == expected


def test_after_acting_what_was_asked_for_is_ok_and_what_came_about_by_itself_is_not() -> None:
    free, isolated = Seen(None, None, (), False), Seen(CHAINS, record(), TIMERS, False)
    assert answer_acting("present", free, isolated, rules(OPERATOR), changed=True, done=True)["status"] == "ok"
    given_back = Seen(None, record(), (), False)
    assert answer_acting("present", free, given_back, rules(OPERATOR), changed=True, done=True)["status"] == "warning"
    planned = answer_acting("absent", isolated, isolated, None, changed=True, done=False)
    assert planned["diff"]["after"] == "" and "policy drop" in planned["diff"]["before"] and planned["ruleset"].startswith("table inet")


def test_the_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path / "state", record())
    assert read_record(tmp_path / "state") == record()
    assert (tmp_path / "state" / FILE_NAME).stat().st_mode & 0o777 == 0o600
    write_record(tmp_path / "state", None)
    assert read_record(tmp_path / "state") is None


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"{", b'{"schema": 9}', b'{"schema": 1}', b"\xff", b'{"schema": 1, "phase": 3}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(UpkeepError, match=FILE_NAME):
        read_record(tmp_path)


def test_only_our_own_timers_are_taken_from_a_record(tmp_path: Path) -> None:
    write_record(tmp_path, record())
    content = json.loads((tmp_path / FILE_NAME).read_text())
    content["timers"] = ["sshd", "--all", 5, "upkeep-isolation-revert-0123abcd", "upkeep-isolation-revert-0123abcd.timer x"]
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    found = read_record(tmp_path)
    assert found is not None and found.timers == ["upkeep-isolation-revert-0123abcd"]


def test_the_timer_is_armed_by_an_argument_list_and_may_come_late() -> None:
    name = revert_timer.new_timer(TIMER_PREFIX)
    assert revert_timer.is_timer(name, TIMER_PREFIX) and name != revert_timer.new_timer(TIMER_PREFIX)
    argv = revert_timer.arm_argv("/usr/bin/systemd-run", name, 300, revert_command("/usr/sbin/nft"), "Give it back")
    assert "--on-active=300s" in argv and f"--unit={name}" in argv and "--timer-property=AccuracySec=1s" in argv
    assert argv[argv.index("--") + 1 :] == ["/usr/sbin/nft", "table inet upkeep_isolation; delete table inet upkeep_isolation"]


def test_the_unit_quotes_its_paths_and_runs_after_the_systems_own_rules() -> None:
    text = unit_text("/usr/sbin/nft", Path('/var/lib/up keep/100%/"x"$HOME/isolation.nft'))
    assert 'ExecStart="/usr/sbin/nft" -f "/var/lib/up keep/100%%/\\"x\\"$$HOME/isolation.nft"\n' in text
    assert "After=nftables.service" in text and "Before=network-pre.target" in text and "WantedBy=sysinit.target" in text
