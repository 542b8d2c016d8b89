"""Whether a list is still blocked, judged by what was blocked for it; and the record of that, old ones too."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import Entry
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_query import judge
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_record import (
    FILE_NAME,
    Applied,
    read_applied,
    write_applied,
)

ONE, TWO, NET = ip_network("203.0.113.7/32"), ip_network("2001:db8::/32"), ip_network("203.0.113.0/24")
OWN, INCIDENT = "blocklist a", "INC-42"


def owning(*networks: Network, size: int = 2) -> Applied:
    return Applied(size, frozenset(networks))


@pytest.mark.parametrize(("applied", "blocked", "lost", "expected"), [
    (None, {}, [], ("warning", 0)),
    (owning(ONE, TWO), {ONE: OWN, TWO: OWN}, [], ("ok", 2)),
    (owning(ONE, TWO), {ONE: OWN, TWO: OWN}, [TWO], ("critical", 1)),
    (owning(ONE, TWO), {ONE: OWN}, [], ("warning", 1)),
    (owning(ONE, TWO), {}, [], ("critical", 0)),
    (owning(), {ONE: INCIDENT, TWO: "blocklist b"}, [], ("ok", 0)),
    (owning(), {}, [], ("ok", 0)),
    (owning(ONE), {ONE: INCIDENT}, [], ("ok", 1)),
    (owning(ONE), {NET: INCIDENT}, [], ("ok", 1)),
    (owning(ONE), {NET: INCIDENT}, [NET], ("critical", 0)),
    (Applied(2), {ONE: OWN}, [], ("ok", 1)),
    (Applied(2), {ONE: OWN}, [ONE], ("critical", 0)),
    (Applied(2), {ONE: INCIDENT}, [], ("unknown", None)),
    (Applied(2), {}, [], ("unknown", None)),
    (Applied(0), {}, [], ("ok", 0)),
])
def test_what_is_said(applied: Applied | None, blocked: dict[Network, str], lost: list[Network], expected: tuple[str, Any]) -> None:
    lasting = {network: Entry(network, reason, 0.0, None, 0) for network, reason in blocked.items()}
    row = judge("a", applied, lasting, lost)
    assert (row["check"], row["subject"], row["status"], row["value"]) == ("rules.blocklists", "a", *expected), row


def test_the_record_comes_back_as_it_was_written_and_an_old_one_says_less(tmp_path: Path) -> None:
    applied = {"a": owning(ONE, TWO), "b": owning(), "c": Applied(7)}
    write_applied(tmp_path, applied)
    assert read_applied(tmp_path) == applied
    (tmp_path / FILE_NAME).write_text(json.dumps({"schema": 1, "lists": {"a": 2}}))
    assert read_applied(tmp_path) == {"a": Applied(2)}


@pytest.mark.parametrize("owned", [{"a": ["everybody"]}, {"a": 5}, [], {"a": {"x": 1}}])
def test_a_damaged_record_is_named(tmp_path: Path, owned: Any) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"schema": 1, "lists": {"a": 2}, "owned": owned}))
    with pytest.raises(UpkeepError, match=FILE_NAME):
        read_applied(tmp_path)
