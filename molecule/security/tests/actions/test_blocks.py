"""An address is blocked in the network: closed for it, open for everybody else, and open again in time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop import ATTACKER, CUSTOMER, OFFICE, OUTSIDE_PORT, SHOPS, WEB, Way, address, on_shops, reached, rules
from watching import watching

EVERYWHERE = dict.fromkeys(SHOPS, True)
FROM_ATTACKER: list[Way] = [(ATTACKER, shop, WEB) for shop in SHOPS.values()]
TO_ATTACKER: list[Way] = [(shop, ATTACKER, OUTSIDE_PORT) for shop in SHOPS.values()]
FROM_CUSTOMER: list[Way] = [(CUSTOMER, shop, WEB) for shop in SHOPS.values()]
ALL = [*FROM_ATTACKER, *TO_ATTACKER, *FROM_CUSTOMER]


@pytest.fixture(scope="module")
def before() -> Iterator[dict[str, str]]:
    """The rules of the hosts before; whatever a test leaves is taken away."""
    found = rules()
    yield found
    if rules() != found:
        on_shops("ip_block", state="absent", all=True)


def test_who_must_not_be_blocked_is_refused(before: dict[str, str]) -> None:
    operator, trusted = address(OFFICE), address(CUSTOMER)
    entries = [{"address": one} for one in (operator, trusted, "127.0.0.1", address(ATTACKER))]
    for result in on_shops("ip_block", entries=entries, allow=[trusted]).values():
        assert not result["changed"]
        assert {row["address"] for row in result["refused"]} == {operator, trusted, "127.0.0.1"}
    assert rules() == before


def test_the_attacker_is_shut_out_until_the_kernel_lets_go(before: dict[str, str]) -> None:
    with watching(*ALL) as watch:
        done = on_shops("ip_block", address=address(ATTACKER), reason="INC-1: a guessed password", timeout_seconds=15)
        assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
        for shop in SHOPS.values():
            shop.wait_for("! nft list table inet upkeep_block | grep -q expires")
        watch.wait_until_open()
        turns = watch.turns()
    assert turns == [[True, False, True]] * 4 + [[True]] * 2


def test_it_is_shut_out_until_somebody_lets_it_in(before: dict[str, str]) -> None:
    attacker = address(ATTACKER)
    done = on_shops("ip_block", address=attacker, reason="INC-1: it came again", timeout_seconds=0)
    assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
    assert reached(*ALL) == [False] * 4 + [True] * 2
    for seen in on_shops("ip_block", state="query").values():
        assert [(block["address"], block["reason"]) for block in seen["blocked"]] == [(attacker, "INC-1: it came again")]
    done = on_shops("ip_block", state="absent", all=True)
    assert {name: result.get("changed") for name, result in done.items()} == EVERYWHERE, done
    assert rules() == before
    assert all(reached(*ALL))
