"""The table as text, and what nft says of it read back."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import (
    BlockTable,
    read_table,
    ruleset,
    table_text,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.chains import Counted, rule_text

NOW = 1_000.0
TABLE = BlockTable(
    {ip_network("192.0.2.9"): 1_000.2, ip_network("192.0.2.1"): None, ip_network("2001:db8::/32"): 1_060.0},
    frozenset({ip_network("198.51.100.0/24")}),
    {("arriving", "ip saddr @hosts4 drop"): Counted(3, 99)},
)


def test_the_transaction_replaces_whatever_is_there() -> None:
    text = ruleset(TABLE, NOW)
    assert text.startswith("table inet upkeep_block\ndelete table inet upkeep_block\ntable inet upkeep_block {\n")
    assert ruleset(None, NOW) == "table inet upkeep_block\ndelete table inet upkeep_block\n"


def test_members_are_in_their_sets_in_order_and_never_end_before_they_begin() -> None:
    lines = [line.strip() for line in table_text(TABLE, NOW).splitlines()]
    assert lines[lines.index("set hosts4 {") :][:7] == [
        "set hosts4 {", "type ipv4_addr", "flags timeout", "elements = {", "192.0.2.1,", "192.0.2.9 timeout 1s,", "}"
    ]
    assert lines[lines.index("set networks6 {") :][4] == "2001:db8::/32 timeout 60s,"
    assert lines[lines.index("set allowed4 {") :][4] == "198.51.100.0/24,"


def test_who_is_allowed_is_asked_before_who_is_blocked_and_counters_go_on() -> None:
    text = table_text(TABLE, NOW)
    for chain, field in (("arriving", "saddr"), ("leaving", "daddr")):
        part = text[text.index(f"chain {chain}") :]
        assert part.index('name "lo" accept') < part.index(f"ip {field} @allowed4 accept") < part.index(f"ip6 {field} @allowed6 accept")
        assert part.index(f"ip6 {field} @allowed6 accept") < part.index(f"ip {field} @hosts4")
    assert "ip saddr @hosts4 counter packets 3 bytes 99 drop" in text and "ip daddr @hosts4 counter drop" in text


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("192.0.2.1", {"192.0.2.1/32": None}),
        ({"prefix": {"addr": "192.0.2.0", "len": 25}}, {"192.0.2.0/25": None}),
        ({"range": ["192.0.2.1", "192.0.2.2"]}, {"192.0.2.1/32": None, "192.0.2.2/32": None}),
        ({"elem": {"val": "192.0.2.1", "timeout": 60, "expires": 59}}, {"192.0.2.1/32": 1_059.0}),
        ({"elem": {"val": {"prefix": {"addr": "2001:db8::", "len": 32}}, "comment": "x"}}, {"2001:db8::/32": None}),
    ],
)
def test_elements_that_nft_shows(element: Any, expected: dict[str, float | None]) -> None:
    table = read_table([{"metainfo": {}}, {"set": {"name": "hosts4", "elem": [element]}}], NOW)
    assert {str(network): end for network, end in table.blocked.items()} == expected
    assert not table.intact


@pytest.mark.parametrize("element", [{"concat": ["192.0.2.1", 80]}, 7, "no address", {"prefix": {}}])
def test_elements_that_are_not_ours_are_said(element: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        read_table([{"set": {"name": "hosts4", "elem": [element]}}], NOW)


def test_a_rule_that_we_never_write_looks_like_none_of_ours() -> None:
    ours = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@hosts4"}}
    assert rule_text([ours, {"counter": {"packets": 1, "bytes": 2}}, {"drop": None}]) == "ip saddr @hosts4 drop"
    negated = {"match": {**ours["match"], "op": "!="}}
    assert rule_text([negated, {"drop": None}]) != "ip saddr @hosts4 drop"
    assert rule_text([ours, {"jump": {"target": "x"}}]) == 'ip saddr @hosts4 {"jump": {"target": "x"}}'
