"""Addresses are blocked in the real kernel, in network namespaces: what is dropped, what passes, what comes back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import blocking, nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import block_addresses
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import ip_block
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, given_options, hosts, wait_until

OTHERS = "table ip shop {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 80 counter\n\t}\n}\n"


@pytest.fixture(scope="module")
def three() -> Iterator[list[Host]]:
    with hosts(3) as made:
        yield made


@pytest.fixture
def network(three: list[Host]) -> Iterator[list[Host]]:
    """Three hosts; the first is the one that blocks. It has rules of its own, which must stay."""
    three[0].run("nft", "-f", "-", given=f"flush ruleset\n{OTHERS}")
    yield three
    three[0].run("nft", "flush", "ruleset")


class Blocker:
    def __init__(self, host: Host, state: Path) -> None:
        self.host, self.state = host, state

    def __call__(self, **options: Any) -> dict[str, Any]:
        """Do what the module does, in a child that is the host."""
        answer = self.tried(**options)
        assert answer is not None
        return answer

    def tried(self, before: Callable[[], None] = lambda: None, **options: Any) -> dict[str, Any] | None:
        """Do the same after something else in that child; None when it died."""
        params = given_options(ip_block, {"state_directory": str(self.state), **options})
        if params["entries"]:
            own = ip_block.argument_spec()["entries"]["options"]
            params["entries"] = [{**dict.fromkeys(own), **entry} for entry in params["entries"]]
        check_mode = params.pop("_ansible_check_mode", False)
        params.pop("_ansible_diff", None)

        def work() -> dict[str, Any]:
            before()
            return block_addresses(params, now=utc_now(), check_mode=check_mode)

        return self.host.use(work)

    def as_module(self, **options: Any) -> dict[str, Any]:
        """Run the module as Ansible does."""
        return self.host.module("ip_block", state_directory=str(self.state), **options)

    def others(self) -> list[Any]:
        """Return the rules that are not ours."""
        listed = json.loads(self.host.run("nft", "-j", "list", "ruleset"))["nftables"]
        return [one for one in listed if "upkeep_block" not in json.dumps(one)]


@pytest.fixture
def block(network: list[Host], tmp_path: Path) -> Blocker:
    return Blocker(network[0], tmp_path / "state")


def row(answer: dict[str, Any], check: str) -> dict[str, Any]:
    return next(one for one in answer["checks"] if one["check"] == check)


def test_check_run_check_run_and_release(network: list[Host], block: Blocker) -> None:
    ours, bad, good = network
    wanted = {"entries": [{"address": bad.address}, {"address": f"{bad.address6}/128", "timeout_seconds": 0}], "reason": "a test"}
    before = block.others()
    planned = block.as_module(**wanted, _ansible_check_mode=True, _ansible_diff=True)
    assert planned["changed"] and f"\t\t\t{bad.address} timeout 86400s,\n" in planned["diff"]["after"] and not planned["diff"]["before"]
    assert not block.state.exists() and bad.reaches(ours)
    assert [one["address"] for one in planned["added"]] == [bad.address, bad.address6]

    done = block.as_module(**wanted)
    assert done["changed"] and done["status"] == "ok", done["checks"]
    for version in (4, 6):
        assert not bad.reaches(ours, version=version) and not ours.reaches(bad, version=version)
        assert good.reaches(ours, version=version) and ours.reaches(good, version=version)
    assert (block.state / "ip_block.json").stat().st_mode & 0o777 == 0o600

    assert not block(**wanted, _ansible_check_mode=True)["changed"]
    again = block.as_module(**wanted)
    assert not again["changed"] and again["totals"]["dropped_packets"] >= 4
    assert [one["reason"] for one in again["blocked"]] == ["a test"] * 2 and again["blocked"][0]["expires"] == done["blocked"][0]["expires"]
    assert block.others() == before

    seen = block(state="query")
    assert seen["status"] == "ok" and seen["totals"]["blocked"] == 2 and not seen["changed"]
    released = block(state="absent", address=bad.address)
    assert released["changed"] and [one["address"] for one in released["removed"]] == [bad.address]
    assert bad.reaches(ours) and not bad.reaches(ours, version=6)
    # What was counted before another change of the table still counts.
    assert block(state="query")["totals"]["dropped_packets"] >= again["totals"]["dropped_packets"]
    assert block(state="absent", all=True)["changed"] and bad.reaches(ours, version=6)
    assert not block(state="absent", all=True)["changed"]
    assert block.others() == before and "upkeep" not in ours.run("nft", "list", "ruleset")


def test_the_kernel_lets_go_in_time_and_the_ledger_agrees(network: list[Host], block: Blocker) -> None:
    ours, bad, _good = network
    block(address=bad.address, timeout_seconds=2)
    wait_until(lambda: bad.reaches(ours))
    assert block(state="query")["totals"]["blocked"] == 0
    assert block(address=bad.address, timeout_seconds=100)["changed"] and not bad.reaches(ours)
    # Another end, or another reason, is a change; the same is none.
    assert block(address=bad.address, timeout_seconds=0)["blocked"][0]["expires"] is None
    assert not block(address=bad.address, timeout_seconds=0)["changed"]
    assert block(address=bad.address, timeout_seconds=0, reason="known")["changed"]


def test_what_is_allowed_passes_through_a_blocked_network(network: list[Host], block: Blocker) -> None:
    ours, bad, good = network
    done = block(address="192.0.2.0/24", allow=[good.address])
    assert done["status"] == "ok" and good.reaches(ours) and ours.reaches(good)
    assert not bad.reaches(ours) and bad.reaches(ours, version=6)
    # What was allowed stays so when nobody says anything else.
    assert not block(address="192.0.2.0/24")["changed"] and good.reaches(ours)
    refused = block(address=good.address)
    assert refused["failed"] and f"{good.address} is not blocked: it belongs to {good.address}" in refused["msg"]
    assert block(address="192.0.2.0/24", allow=[])["changed"] and not good.reaches(ours)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0/0", "fe80::1", "ff02::1", "127.0.0.0/24", "::/8"])
def test_what_must_not_be_blocked_is_refused(block: Blocker, network: list[Host], address: str) -> None:
    before = network[0].run("nft", "list", "ruleset")
    answer = block(entries=[{"address": network[1].address}, {"address": address}])
    assert answer["failed"] and address in answer["msg"] and answer["refused"], answer
    assert network[0].run("nft", "list", "ruleset") == before and not (block.state / "ip_block.json").exists()
    rest = block(entries=[{"address": network[1].address}, {"address": address}], skip_refused=True)
    assert rest["status"] == "warning" and [one["address"] for one in rest["refused"]] == [address]
    assert not network[1].reaches(network[0]) and row(rest, "firewall.refused")["subject"] == address


def test_what_the_kernel_has_lost_is_said_and_put_back(network: list[Host], block: Blocker) -> None:
    ours, bad, _good = network
    block(entries=[{"address": bad.address}, {"address": "2001:db8:bad::/48"}], reason="a test")
    ours.run("nft", "flush", "ruleset")
    seen = block(state="query")
    assert seen["status"] == "warning" and seen["totals"]["lost"] == 2
    assert "has lost 2 blocks" in row(seen, "firewall.ledger")["summary"] and bad.reaches(ours)
    back = block(state="present")
    assert back["changed"] and not bad.reaches(ours) and "put right" in row(back, "firewall.ledger")["hint"]
    assert block(state="query")["status"] == "ok" and not block(state="present")["changed"]

    ours.run("nft", "delete", "rule", "inet", "upkeep_block", "arriving", "handle", handle_of(ours, "@hosts4"))
    altering = [
        ("add", "table", "inet", "upkeep_block", "{ flags dormant; }"),
        ("add", "element", "inet", "upkeep_block", "allowed4", f"{{ {bad.address} }}"),
    ]
    for change in (None, *altering):
        if change:
            ours.run("nft", *change)
            assert bad.reaches(ours), change
        assert "are not those that belong there" in row(block(state="query"), "firewall.ledger")["summary"]
        assert block(state="present")["changed"] and block(state="query")["status"] == "ok" and not bad.reaches(ours)


def handle_of(host: Host, text: str) -> str:
    listed = host.run("nft", "-a", "list", "chain", "inet", "upkeep_block", "arriving")
    return next(line for line in listed.splitlines() if text in line).rpartition(" ")[2]


def test_what_somebody_else_has_blocked_stays_and_is_said(network: list[Host], block: Blocker) -> None:
    ours, bad, good = network
    block(address=bad.address)
    ours.run("nft", "add", "element", "inet", "upkeep_block", "hosts4", f"{{ {good.address} timeout 1h }}")
    seen = block(state="query")
    assert seen["totals"]["strays"] == 1 and "somebody else" in row(seen, "firewall.ledger")["summary"]
    block(address="203.0.113.0/24")
    assert not good.reaches(ours) and block(state="query")["status"] == "ok"
    assert block(state="absent", address=good.address)["changed"] and good.reaches(ours)


def test_networks_within_networks_and_ten_thousand_addresses(network: list[Host], block: Blocker) -> None:
    ours, bad, good = network
    answer = block(entries=[
        {"address": "192.0.2.0/24", "timeout_seconds": 1000},
        {"address": "192.0.2.2/31", "timeout_seconds": 0},
        {"address": "192.0.2.128/25", "timeout_seconds": 10},
        {"address": bad.address, "timeout_seconds": 0},
    ], allow=["192.0.2.3"])
    assert not answer.get("failed"), answer
    assert block(state="query")["status"] == "ok" and good.reaches(ours) and not bad.reaches(ours)
    assert not block(state="present")["changed"]
    part = block(state="absent", address="192.0.2.200")
    assert not part["changed"] and "is still blocked, as part of 192.0.2.128/25" in part["checks"][0]["summary"]
    assert block(state="absent", address="192.0.2.0/24")["changed"]
    assert block(state="query")["status"] == "ok" and not bad.reaches(ours)

    many = [{"address": f"10.{number >> 8}.{number & 255}.1"} for number in range(9_990)]
    answer = block(entries=many)
    assert not answer.get("failed"), answer["msg"]
    assert answer["totals"]["blocked"] == 9_993 and len(answer["blocked"]) == 1000
    assert block(state="query")["status"] == "ok" and not block(state="present")["changed"]
    assert "block networks" in block(entries=[{"address": f"10.250.{number}.1"} for number in range(10)])["msg"]


def killed(before: bool) -> None:
    """Let this process die before or after the kernel's table is changed."""
    load = nftables.load

    def dying(text: str, *, check_only: bool = False) -> None:
        if not check_only and before:
            os.kill(os.getpid(), signal.SIGKILL)
        load(text, check_only=check_only)
        if not check_only:
            os.kill(os.getpid(), signal.SIGKILL)

    blocking.nftables.load = dying


@pytest.mark.parametrize("before", [True, False])
def test_killed_around_the_change_the_next_call_completes_it(network: list[Host], block: Blocker, before: bool) -> None:
    ours, bad, _good = network
    assert block.tried(lambda: killed(before), address=bad.address) is None
    assert block(state="query")["totals"] == {
        "blocked": 1, "lost": int(before), "strays": 0, "dropped_packets": 0, "dropped_bytes": 0
    }
    assert block(address=bad.address)["changed"] == before and not bad.reaches(ours)
    assert block.tried(lambda: killed(before), state="absent", all=True) is None
    totals = block(state="query")["totals"]
    assert bad.reaches(ours) is not before and (totals["strays"], totals["lost"]) == (0, int(not before))
    block(state="absent", all=True)
    assert bad.reaches(ours) and block(state="query")["totals"]["blocked"] == 0


def test_rules_that_the_kernel_refuses_leave_ledger_and_table_as_they_were(network: list[Host], block: Blocker) -> None:
    ours, bad, good = network
    block(address=bad.address)
    ledger = (block.state / "ip_block.json").read_bytes()

    def break_rules() -> None:
        load = nftables.load
        blocking.nftables.load = lambda text, check_only=False: check_only or load(text + "add rule inet nowhere x drop\n")

    answer = block.tried(break_rules, address=good.address)
    assert answer is not None
    assert answer["failed"] and "nothing was changed" in answer["msg"]
    assert (block.state / "ip_block.json").read_bytes() == ledger
    assert good.reaches(ours) and not bad.reaches(ours)


def test_without_nft_nobody_can_tell_and_nothing_is_done(block: Blocker, tmp_path: Path) -> None:
    def hide() -> None:
        nftables.SEARCH_PATH = str(tmp_path)

    asked, acted = block.tried(hide, state="query"), block.tried(hide, address="203.0.113.1")
    assert asked is not None and acted is not None
    assert asked["status"] == "unknown" and "apt install nftables" in asked["checks"][0]["hint"]
    assert acted["failed"] and "apt install nftables" in acted["msg"]
    assert not (block.state / "ip_block.json").exists()
