"""An account is shut: its sessions end and nobody logs in to it, and it comes back as it was."""

from __future__ import annotations

from break_in import PASSWORD, log_in, ssh
from containers import podman
from shop import CUSTOMER, SHOPS, on_shops

SHADOW = "getent shadow anna"


def logins() -> list[bool]:
    return [log_in(shop, "anna", PASSWORD, who=CUSTOMER) for shop in SHOPS.values()]


def test_the_account_that_was_broken_into_is_shut_and_given_back() -> None:
    before = [shop.sh(SHADOW) for shop in SHOPS.values()]
    assert logins() == [True, True]
    for shop in SHOPS.values():
        podman("exec", "--detach", CUSTOMER.name, "sh", "-c", f"{ssh(shop, 'anna', PASSWORD)} exec sleep 7799")
        shop.wait_for("pgrep -fx 'sleep 7799'")
    done = on_shops("account_containment", users=["anna"], reason="INC-1")
    assert {name: result.get("changed") for name, result in done.items()} == dict.fromkeys(SHOPS, True), done
    assert logins() == [False, False]
    for shop in SHOPS.values():
        shop.wait_for("! pgrep -fx 'sleep 7799'")
    done = on_shops("account_containment", users=["anna"], state="absent")
    assert {name: result.get("changed") for name, result in done.items()} == dict.fromkeys(SHOPS, True), done
    assert [shop.sh(SHADOW) for shop in SHOPS.values()] == before
    assert logins() == [True, True]
