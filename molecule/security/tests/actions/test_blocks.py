"""An address is blocked in the network: closed for it, open for everybody else, and open again in time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop import ATTACKER, CUSTOMER, OFFICE, OUTSIDE_PORT, SHOPS, WEB, address, on_shops, reached, rules

EVERYWHERE = dict.fromkeys(SHOPS, True)
FROM_ATTACKER = [(ATTACKER, shop, WEB) for shop in SHOPS.values()]
FROM_CUSTOMER = [(CUSTOMER, shop, WEB) for shop in SHOPS.values()]


@pytest.fixture(autouse=True)
def before() -> Iterator[dict[str, str]]:
    """The rules of the hosts before; whatever a test leaves is taken away."""
    yield rules()
    on_shops("ip_block", state="absent", all=True)


def test_the_attacker_is_shut_out_for_a_while(before: dict[str, str]) -> None:
    attacker = address(ATTACKER)
    assert reached(*FROM_ATTACKER) == [True, True]
    done = on_shops("ip_block", address=attacker, reason="INC-1: a guessed password", timeout_seconds=30, allow=[address(OFFICE)])
    assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
    assert reached(*FROM_ATTACKER) == [False, False]
    assert reached(*FROM_CUSTOMER) == [True, True]
    for shop in SHOPS.values():
        assert reached((shop, ATTACKER, OUTSIDE_PORT), (shop, CUSTOMER, OUTSIDE_PORT)) == [False, True]
    for seen in on_shops("ip_block", state="query").values():
        assert [(block["address"], block["reason"]) for block in seen["blocks"]] == [(attacker, "INC-1: a guessed password")]
    # Nobody takes it back: the kernel does.
    for shop in SHOPS.values():
        ATTACKER.wait_for(f"nc -z -w 2 {address(shop)} {WEB}")
    done = on_shops("ip_block", state="absent", all=True)
    assert rules() == before


@pytest.mark.parametrize("wrong", ["operator", "loopback", "trusted"])
def test_who_must_not_be_blocked_is_refused(before: dict[str, str], wrong: str) -> None:
    addresses = {"operator": address(OFFICE), "loopback": "127.0.0.1", "trusted": address(CUSTOMER)}
    allow = [address(CUSTOMER)] if wrong == "trusted" else []
    for result in on_shops("ip_block", address=addresses[wrong], allow=allow).values():
        assert result["failed"] and addresses[wrong] in result["msg"]
    assert rules() == before
