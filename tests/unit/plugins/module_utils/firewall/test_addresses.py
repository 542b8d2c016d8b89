"""Addresses are read strictly, and overlapping networks become ones that do not overlap and block the same."""

from __future__ import annotations

import random
from ipaddress import ip_network

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import (
    End,
    Network,
    read_address,
    read_network,
    shown_network,
    why_never_blocked,
    without_overlaps,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7/32 ", "192.0.2.7"),
        ("198.51.100.0/24", "198.51.100.0/24"),
        ("198.51.100.0/255.255.255.0", "198.51.100.0/24"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_what_is_read(text: str, shown: str) -> None:
    assert shown_network(read_network(text, "address")) == shown


@pytest.mark.parametrize(
    "text",
    ["", "host", "192.0.2", "192.0.2.256", "192.0.2.7/24", "2001:db8::1/32", "192.0.2.7/33", "fe80::1%eth0", "2001:db8::1%eth0/64", "1.2.3.4; flush ruleset",
     "192.0.2.1 }", "192.0.2.1\n192.0.2.2", "\x00", "[::1]", "192.0.2.1-192.0.2.9", "9" * 100_000],
)
def test_what_is_no_address_is_named_and_bounded(text: str) -> None:
    with pytest.raises(UpkeepError, match=r"entries\[3\]\.address: ") as caught:
        read_network(text, "entries[3].address")
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("text", "shown"), [("fe80::1%eth0", "fe80::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("somewhere", "None"), ("", "None")]
)
def test_addresses_that_the_system_writes(text: str, shown: str) -> None:
    assert str(read_address(text)) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0.0.0/0", "wider than /8"), ("::/0", "wider than /16"), ("2000::/3", "wider"), ("127.1.2.3", "loopback"),
        ("::1", "loopback"), ("fe80::/64", "neighbors"), ("224.0.0.1", "neighbors"), ("255.255.255.255", "neighbors"),
        ("0.0.0.0", "neighbors"), ("10.0.0.0/8", None), ("192.0.2.1", None), ("2001:db8::/32", None),
    ],
)
def test_what_nobody_may_block(text: str, reason: str | None) -> None:
    found = why_never_blocked(ip_network(text))
    assert found is None if reason is None else reason in str(found)


def later(one: End, other: End) -> End:
    return None if one is None or other is None else max(one, other)


@pytest.mark.parametrize("seed", range(30))
def test_no_overlap_is_left_and_each_address_is_blocked_as_long_as_before(seed: int) -> None:
    chance = random.Random(seed)
    blocks: dict[Network, End] = {}
    for _number in range(chance.randint(1, 14)):
        length = chance.randint(24, 31)
        at = chance.randrange(256) >> (32 - length) << (32 - length)
        blocks[ip_network(f"192.0.2.{at}/{length}")] = chance.choice([None, 10.0, 20.0, 30.0])
    found = without_overlaps(blocks)
    for address in ip_network("192.0.2.0/24"):
        around = [end for network, end in blocks.items() if address in network]
        pieces = [end for network, end in found.items() if address in network]
        if not around:
            assert pieces == []
            continue
        longest = around[0]
        for end in around[1:]:
            longest = later(longest, end)
        assert pieces == [longest], address


def test_single_addresses_stay_whatever_is_around_them() -> None:
    blocks: dict[Network, End] = {ip_network("192.0.2.0/24"): None, ip_network("192.0.2.1/32"): 10.0, ip_network("2001:db8::/32"): 5.0}
    assert without_overlaps(blocks) == blocks
