"""Lists as they are published, and what becomes of their blocks; the kernel has its own tests in tests/integration."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import blocklists
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import Entry, Ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_planning import ListPlan, plan_lists
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklists import (
    Blocklist,
    list_of,
    read_blocklist,
    reason_of,
    why_implausible,
)

NOW = 1_800_000_000.0
OPERATOR = ip_address("198.51.100.5")
ONE, TWO, NET = ip_network("192.0.2.7"), ip_network("2001:db8::/32"), ip_network("203.0.113.0/24")


def networks(text: str) -> list[str]:
    return [str(one) for one in read_blocklist("x", text).networks]


@pytest.mark.parametrize(("text", "found"), [
    ("; Spamhaus DROP List\n192.0.2.0/24 ; SBL1\n203.0.113.0/24 ; SBL2\n", ["192.0.2.0/24", "203.0.113.0/24"]),
    ("#\n# firehol_level1\n#\n192.0.2.7\n\n2001:db8::1  # why\n", ["192.0.2.7/32", "2001:db8::1/128"]),
    ("create bad hash:net family inet hashsize 1024\nadd bad 192.0.2.7\nadd bad 203.0.113.0/24 timeout 60\n", ["192.0.2.7/32", "203.0.113.0/24"]),
    ('{"cidr":"192.0.2.0/24","sblid":"SBL1"}\n{"type":"metadata","records":1}\n', ["192.0.2.0/24"]),
    ("192.0.2.1-192.0.2.4\n", ["192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/32"]),
    ("\ufeff192.0.2.7\r\n192.0.2.7\r\n", ["192.0.2.7/32"]),
    ("::ffff:192.0.2.7\n", ["192.0.2.7/32"]),
    ("192.0.2.0/25\n192.0.2.128/25\n192.0.2.9\n", ["192.0.2.0/24"]),
    ("", []),
])
def test_the_usual_forms_are_read_and_merged(text: str, found: list[str]) -> None:
    assert networks(text) == found
    assert read_blocklist("x", text).wrong_lines == 0


@pytest.mark.parametrize("line", [
    "example.com", "192.0.2.7/24", "192.0.2.300", "192.0.2.1 192.0.2.2", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "<html>", "fe80::1%eth0",
    "add bad 192.0.2.8 nomatch", '{"cidr": 5}', "{", "[" * 5000, "{" * 5000, "1" * 5000, "192.0.2.7/33", "\x1b[2J",
])
def test_what_cannot_be_read_is_told_by_its_line(line: str) -> None:
    found = read_blocklist("x", f"# first\n192.0.2.7\n{line}\n")
    assert [str(one) for one in found.networks] == ["192.0.2.7/32"]
    assert (found.lines, found.wrong_lines) == (2, 1) and found.mistakes[0].startswith("line 3: ")
    assert len(found.mistakes[0]) < 250 and "\x1b" not in found.mistakes[0]


def test_ranges_that_would_take_the_memory_of_the_host_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocklists, "MAX_NETWORKS", 1000)
    with pytest.raises(UpkeepError, match="holds more than 1000 networks"):
        read_blocklist("x", "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\n" * 5)


@pytest.mark.parametrize("name", ["", "a b", "-x", "a" * 65, "ü", "a\n"])
def test_a_list_has_a_name_that_is_one(name: str) -> None:
    with pytest.raises(UpkeepError, match="is no name"):
        read_blocklist(name, "")


def test_the_reason_of_a_block_says_its_list_and_that_of_an_incident_says_none() -> None:
    assert list_of(reason_of("drop-v4.txt")) == "drop-v4.txt"
    for reason in ("INC-42", "blocklist ", "blocklist: x", "blocklist a b", "", "found in the kernel, blocked by somebody else"):
        assert list_of(reason) is None


@pytest.mark.parametrize(("count", "previous", "says"), [
    (0, None, "is empty"), (0, 700, "is empty, and had 700 entries"), (0, 3, "is empty"), (349, 700, "shrank from 700 entries to 349"),
    (1051, 700, "grew from 700 entries to 1051"), (11, 0, "grew"), (350, 700, None), (1050, 700, None), (1, 11, None), (500, None, None), (13, 3, None),
])
def test_a_broken_download_is_told_from_a_list_that_lives(count: int, previous: int | None, says: str | None) -> None:
    found = why_implausible("x", count, previous, 50.0)
    assert found is None if says is None else found is not None and says in found


def plan(*lists: tuple[str, list[Network]], entries: tuple[Entry, ...] = (), **changes: Any) -> ListPlan:
    given: dict[str, Any] = {"timeout_seconds": 1000, "allow": (), "operators": [OPERATOR], "kernel": None, "now": NOW, "run_id": "r"}
    read = [Blocklist(name, tuple(held), len(held)) for name, held in lists]
    return plan_lists(read, ledger=Ledger((), {one.network: one for one in entries}), **{**given, **changes})


def entry(network: Network, reason: str, left: float | None, timeout: int = 1000) -> Entry:
    return Entry(network, reason, NOW - 5, None if left is None else NOW + left, timeout)


def reasons(found: ListPlan) -> dict[Network, str]:
    return {network: one.reason for network, one in found.blocks.ledger.entries.items()}


def test_what_is_on_no_list_any_more_is_released_and_blocks_of_incidents_stay() -> None:
    incident = entry(NET, "INC-42: flood", 50.0)
    found = plan(("a", [ONE]), entries=(incident, entry(TWO, reason_of("gone"), 900.0), entry(ip_network("192.0.2.8"), reason_of("a"), 900.0)))
    assert reasons(found) == {ONE: reason_of("a"), NET: "INC-42: flood"}
    assert {str(one.network) for one in found.blocks.removed} == {"2001:db8::/32", "192.0.2.8/32"}
    assert [one.network for one in found.blocks.added] == [ONE]


def test_an_address_of_an_incident_that_is_on_a_list_keeps_its_reason_and_its_end() -> None:
    incident = entry(ONE, "INC-42", 50.0)
    found = plan(("a", [ONE]), entries=(incident,))
    assert found.blocks.ledger.entries == {ONE: incident} and not found.blocks.added


@pytest.mark.parametrize(("left", "renewed"), [(900.0, 0), (501.0, 0), (500.0, 1), (10.0, 1), (None, 1), (5000.0, 1)])
def test_a_block_is_renewed_when_half_of_its_time_is_over(left: float | None, renewed: int) -> None:
    found = plan(("a", [ONE]), entries=(entry(ONE, reason_of("a"), left),))
    assert found.renewed == renewed and not found.blocks.added
    assert found.blocks.ledger.entries[ONE].expires == NOW + (1000 if renewed else left or 0)


def test_who_is_allowed_the_operator_and_loopback_win() -> None:
    held = [ip_network(one) for one in ("127.0.0.0/8", "198.51.100.0/24", "10.1.2.0/24", "203.0.113.0/24", "224.0.0.0/4", "::1/128", "0.0.0.0/1")]
    found = plan(("a", held), allow=(ip_network("10.0.0.0/8"),))
    assert list(found.blocks.ledger.entries) == [NET]
    assert [(str(network), reason) for network, reason in found.spared["a"]] == [
        ("198.51.100.0/24", "holds the address from which this run is logged in"), ("10.1.2.0/24", "belongs to 10.0.0.0/8, which is always allowed"),
    ]
    assert found.private["a"] == 4


def test_a_network_of_two_lists_belongs_to_the_first() -> None:
    assert reasons(plan(("a", [ONE]), ("b", [ONE, NET]))) == {ONE: reason_of("a"), NET: reason_of("b")}


def test_more_than_a_host_takes_is_refused_and_says_which_list_has_how_many() -> None:
    many = [ip_network((0xC6120000 + number, 32)) for number in range(0, 20_000, 2)]
    assert len(plan(("a", many)).blocks.added) == 10_000
    with pytest.raises(UpkeepError, match=r"10001 blocks are more than the 10000 that a host takes \(a 10000, and 1 that are not of lists\)"):
        plan(("a", many), entries=(entry(NET, "INC-42", None),))
