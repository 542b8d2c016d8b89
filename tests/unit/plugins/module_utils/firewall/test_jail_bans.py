"""What fail2ban's client prints of one jail, read: whom it leaves alone, what its actions do, and what stands against a trial."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Address, read_address
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.fail2ban import Ban, Jail, Silent
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_bans import (
    Rules,
    does_something,
    is_banned,
    left_alone,
    listed_actions,
    refusal,
)


def address(text: str) -> Address:
    found = read_address(text)
    assert found is not None
    return found


OBSERVER = address("192.0.2.7")
RULES = Rules(5, 600, 600, ("nftables",), 1, "", "")
FREE = Jail("sshd", 7, 0, ())
LISTED = "These IP addresses/networks are ignored:\n|- 127.0.0.0/8\n|- ::1\n`- {}"


@pytest.mark.parametrize(
    ("last", "command", "ignored", "unsure"),
    [
        ("198.51.100.0/24", "", "", ""),
        ("192.0.2.0/24", "", "its ignoreip holds 192.0.2.0/24", ""),
        ("192.0.2.7", "None", "its ignoreip holds 192.0.2.7/32", ""),
        ("192.0.2.9/24", "", "its ignoreip holds 192.0.2.0/24", ""),
        ("monitor.example.com", "", "", "its ignoreip names monitor.example.com"),
        ("198.51.100.0/24", "/usr/bin/may-pass <ip>\n", "", "it has an ignorecommand"),
        ("0.0.0.0/0", "/usr/bin/may-pass <ip>\n", "its ignoreip holds 0.0.0.0/0", ""),
    ],
)
def test_whom_a_jail_leaves_alone(last: str, command: str, ignored: str, unsure: str) -> None:
    assert left_alone(OBSERVER, LISTED.format(last), command) == (ignored, unsure)


def test_a_jail_that_leaves_nobody_alone() -> None:
    assert left_alone(OBSERVER, "No IP address/network is ignored\n", "\n") == ("", "")
    assert left_alone(address("2001:db8::7"), LISTED.format("2001:db8::/32"), "")[0] == "its ignoreip holds 2001:db8::/32"


@pytest.mark.parametrize(
    ("command", "does"),
    [
        ("", False), ("\n", False), ("  true\n", False), (":;\n# nft add element\n", False), ("true; :", False),
        ("nft add element inet f2b-table x { 192.0.2.7 }\n", True), ("true\niptables -I f2b 1 -s <ip> -j REJECT\n", True),
        ("truecrypt", True), ("echo <ip>", True),
    ],
)  # fmt: skip
def test_what_an_action_runs(command: str, does: bool) -> None:
    assert does_something(command) is does


def test_the_actions_of_a_jail() -> None:
    assert listed_actions("The jail sshd has the following actions:\nnftables-multiport, sendmail") == ["nftables-multiport", "sendmail"]
    assert listed_actions("No actions for jail sshd\n") == []
    with pytest.raises(Silent):
        listed_actions("<script>")


def test_who_is_banned_is_known_however_an_address_is_written() -> None:
    jail = Jail("sshd", 1, 1, (Ban("2001:db8:0:0::7", "", None),))
    assert is_banned(jail, address("2001:DB8::7")) and not is_banned(jail, OBSERVER)


@pytest.mark.parametrize(
    ("jails", "unasked", "rules", "operators", "said"),
    [
        ([FREE], 0, RULES, [], ""),
        ([FREE], 0, RULES, ["192.0.2.9"], ""),
        ([FREE], 0, RULES, ["192.0.2.7"], "is the address from which this run is logged in"),
        ([FREE, Jail("recidive", 1, 1, (Ban("192.0.2.7", "", None),))], 0, RULES, [], "is banned already, by the jail recidive"),
        ([Jail("sshd", 1, 1, (), unread=1)], 0, RULES, [], "nobody can tell whether"),
        ([FREE], 1, RULES, [], "nobody can tell whether"),
        ([FREE], 0, dataclasses.replace(RULES, ignored="its ignoreip holds 192.0.2.0/24"), [], "left alone by the jail: its ignoreip"),
        ([FREE], 0, dataclasses.replace(RULES, maxretry=1), [], "after a single failed login"),
        ([FREE], 0, dataclasses.replace(RULES, bantime=-1), [], "bans without an end"),
        ([FREE], 0, dataclasses.replace(RULES, may_be_ignored="it has an ignorecommand"), [], ""),
    ],
)
def test_what_stands_against_a_trial(jails: list[Jail], unasked: int, rules: Rules, operators: list[str], said: str) -> None:
    found = refusal(jails, unasked, OBSERVER, rules, [address(one) for one in operators])
    assert said in found and bool(said) == bool(found)
