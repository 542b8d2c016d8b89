"""What is asked for, what is noted and what the kernel has, brought together."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Address, Network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import (
    FILE_NAME,
    Entry,
    Ledger,
    read_ledger,
    write_ledger,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_planning import (
    FOUND_REASON,
    BlockPlan,
    Wanted,
    find_drift,
    plan_blocks,
    plan_release,
    read_wanted,
    why_refused,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import BlockTable

NOW = 1_800_000_000.0
BAD, NET = ip_network("192.0.2.7"), ip_network("192.0.2.0/24")
OPERATOR: Address = ip_address("198.51.100.5")


def entry(network: Network, expires: float | None = None, reason: str = "") -> Entry:
    return Entry(network, reason, NOW - 10, expires, 0 if expires is None else 100)


def ledger(*entries: Entry, allow: tuple[Network, ...] = ()) -> Ledger:
    return Ledger(allow, {one.network: one for one in entries})


def kernel(blocked: dict[Network, float | None], *allowed: Network) -> BlockTable:
    return BlockTable(blocked, frozenset(allowed))


def plan(*wanted: Wanted, **changes: Any) -> BlockPlan:
    given: dict[str, Any] = {
        "ledger": ledger(), "allow": (), "operators": [OPERATOR], "kernel": None, "now": NOW, "run_id": "r", "skip_refused": False
    }
    return plan_blocks(list(wanted), **{**given, **changes})


def params(**changes: Any) -> dict[str, Any]:
    return {"address": None, "entries": [], "timeout_seconds": 60, "reason": "why", **changes}


def test_entries_take_from_the_module_what_they_leave_out() -> None:
    found = read_wanted(params(address="192.0.2.7", entries=[
        {"address": "192.0.2.8", "timeout_seconds": 0, "reason": None}, {"address": "192.0.2.9", "timeout_seconds": None, "reason": "x\n" * 500},
        {"address": "192.0.2.7/32", "timeout_seconds": 5, "reason": ""},
    ]))
    assert [(str(one.network), one.timeout_seconds, one.reason[:5]) for one in found] == [
        ("192.0.2.7/32", 5, ""), ("192.0.2.8/32", 0, "why"), ("192.0.2.9/32", 60, "x x x")
    ]
    assert len(found[2].reason) == 200


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"timeout_seconds": -1}, "timeout_seconds"), ({"entries": [{"address": "192.0.2.1", "timeout_seconds": 10**12}]}, "entries[0].timeout"),
     ({"entries": [{"address": "x"}]}, "entries[0].address"), ({"address": "192.0.2.1/8"}, "address")],
)
def test_a_wrong_option_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_wanted(params(**changes))
    assert caught.value.message.startswith(named)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("198.51.100.5", "logged in"), ("198.51.100.0/24", "logged in"), ("203.0.113.9", "always allowed"),
        ("203.0.113.0/25", "always allowed"), ("203.0.112.0/22", None), ("127.0.0.1", "loopback"), ("192.0.2.7", None),
        ("2001:db8::1", None),
    ],
)
def test_what_is_refused(network: str, reason: str | None) -> None:
    found = why_refused(ip_network(network), [ip_network("203.0.113.0/24")], [OPERATOR])
    assert found is None if reason is None else reason in str(found)


def test_one_refusal_stops_all_unless_it_is_skipped() -> None:
    wanted = [Wanted(BAD, 60, ""), Wanted(ip_network(OPERATOR), 60, "")]
    with pytest.raises(UpkeepError, match="198.51.100.5 is not blocked: it holds the address from which this run is logged in"):
        plan(*wanted)
    found = plan(*wanted, skip_refused=True)
    assert [one.network for one in found.added] == [BAD] and len(found.refused) == 1


def test_the_same_again_changes_nothing_and_keeps_its_end() -> None:
    first = plan(Wanted(BAD, 60, "a"))
    assert first.table and first.changes_table and first.changes_ledger and first.table.blocked == {BAD: NOW + 60}
    again = plan(Wanted(BAD, 60, "a"), ledger=first.ledger, kernel=kernel({BAD: NOW + 58}), now=NOW + 1)
    assert not (again.added or again.changes_table or again.changes_ledger)
    longer = plan(Wanted(BAD, 600, "a"), ledger=first.ledger, kernel=kernel({BAD: NOW + 60}), now=NOW + 1)
    assert longer.changes_table and longer.added[0].expires == NOW + 601 and longer.added[0].added == NOW


def test_an_operator_who_is_in_a_blocked_network_by_now_passes() -> None:
    around = entry(ip_network("198.51.100.0/24"))
    found = plan(ledger=ledger(around), kernel=kernel({around.network: None}))
    assert found.table and found.changes_table and found.table.allowed == {ip_network(OPERATOR)}
    elsewhere = plan(ledger=ledger(entry(NET)), kernel=kernel({NET: None}))
    assert elsewhere.table and not elsewhere.changes_table and not elsewhere.table.allowed


@pytest.mark.parametrize(
    ("noted", "blocked", "lost", "strays"),
    [
        ([entry(BAD)], {BAD: None}, [], []),
        ([entry(BAD)], {}, [BAD], []),
        ([entry(BAD)], {BAD: NOW + 50}, [BAD], []),
        ([entry(BAD, NOW + 3)], {}, [], []),
        ([entry(BAD, NOW - 1)], {BAD: NOW + 1}, [], []),
        ([], {BAD: NOW + 60}, [], [BAD]),
        ([entry(NET)], {NET: None, BAD: NOW + 60}, [], []),
        ([entry(NET, NOW + 9)], {NET: NOW + 9, BAD: NOW + 60}, [], [BAD]),
        # A wide network with a hole for one that lasts longer; the kernel has it as it was before.
        ([entry(NET, NOW + 60), entry(ip_network("192.0.2.0/25"))], {NET: NOW + 60}, [NET, ip_network("192.0.2.0/25")], []),
    ],
)
def test_what_the_kernel_has_lost_and_what_is_not_ours(noted: Any, blocked: Any, lost: Any, strays: Any) -> None:
    drift = find_drift(ledger(*noted), kernel(blocked) if blocked else None, NOW, [])
    assert set(drift.lost) == set(lost) and list(drift.strays) == strays and not drift.altered


def test_what_is_not_ours_is_kept_and_noted() -> None:
    found = plan(kernel=kernel({BAD: NOW + 60}))
    assert found.ledger.entries[BAD].reason == FOUND_REASON and found.changes_ledger and not found.changes_table


def test_release_of_one_of_a_part_and_of_all() -> None:
    given: dict[str, Any] = {
        "ledger": ledger(entry(NET), entry(ip_network("2001:db8::1"))), "allow": (), "operators": [],
        "kernel": kernel({NET: None, ip_network("2001:db8::1"): None}), "now": NOW,
    }
    one = plan_release([NET], **given)
    assert [gone.network for gone in one.removed] == [NET] and one.table and NET not in one.table.blocked
    part = plan_release([BAD], **given)
    assert not part.changes_table and part.missing == [(BAD, "is still blocked, as part of 192.0.2.0/24")]
    assert plan_release([ip_network("203.0.113.1")], **given).missing[0][1] == "was not blocked"
    whole = plan_release(None, **given)
    assert whole.table is None and whole.changes_table and len(whole.removed) == 2


def test_the_ledger_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_ledger(tmp_path / "none") == Ledger()
    written = ledger(entry(BAD, NOW + 60, "why"), entry(ip_network("2001:db8::/32")), allow=(ip_network("198.51.100.0/24"),))
    write_ledger(tmp_path / "state", written)
    assert read_ledger(tmp_path / "state") == written
    assert (tmp_path / "state" / FILE_NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "allow": ["x"], "entries": []}',
                b'{"schema": 1, "allow": [], "entries": [{"address": "192.0.2.1"}]}', b"\xff\x00", b'{"schema": 1, "allow": 5, "entries": 1}']
)
def test_a_damaged_ledger_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(UpkeepError):
        read_ledger(tmp_path)
