"""The alarm rang, it did not, or nobody can tell: three answers that must not be mistaken for each other."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.selftest_outcome import selftest_outcome

OPEN = {"probes": [{"status": "ok", "summary": "it answers"}]}
CLOSED = {"probes": [{"status": "critical", "summary": "no answer after 3 s"}]}
UNASKED = {"failed": True, "msg": "no Python"}
CANARY = "/srv/.upkeep-canary-r"
CHANGED = {"changes": [{"path": CANARY, "change": "changed"}]}
ADDED = {"baseline": {"digest": "d"}, "changes": [{"path": "/srv/x", "change": "removed"}, {"path": CANARY, "change": "added"}]}
RANG = {"checks": [check_result("notify.channel", "mail a", "ok", "reached")]}
SILENT = {"checks": [*RANG["checks"], check_result("notify.channel", "mail b", "critical", "mail b refused it.")]}


@pytest.mark.parametrize(
    ("part", "found", "status", "said"),
    [
        ("block", {"before": OPEN, "during": CLOSED, "after": OPEN}, "ok", "closed from outside"),
        ("block", {"before": OPEN, "during": OPEN, "after": OPEN}, "critical", "still open"),
        ("block", {"before": OPEN, "during": CLOSED, "after": CLOSED}, "critical", "not open again: no answer after 3 s"),
        ("block", {"before": CLOSED}, "unknown", "before it was blocked"),
        ("block", {"before": OPEN, "during": UNASKED, "after": OPEN}, "unknown", "no Python"),
        ("block", {"before": OPEN, "during": CLOSED, "after": UNASKED}, "unknown", "no Python"),
        ("block", {"before": OPEN}, "unknown", "could not be asked"),
        ("block", {"failure": "name a host", "before": OPEN}, "unknown", "name a host"),
        ("files", {"canary": CANARY, "tampered": CHANGED, "watched": ADDED}, "ok", "were found"),
        ("files", {"canary": CANARY, "tampered": {"changes": []}, "watched": ADDED}, "critical", "did not find it"),
        ("files", {"canary": CANARY, "tampered": CHANGED, "watched": {"baseline": None, "changes": []}}, "unknown", "no baseline"),
        ("files", {"canary": CANARY, "tampered": CHANGED, "watched": {"baseline": {"digest": "d"}, "changes": []}}, "critical", "not watched"),
        ("files", {"canary": CANARY}, "critical", "did not find it"),
        ("files", {"failure": "no folder is watched"}, "unknown", "no folder"),
        ("alert", {"told": RANG}, "ok", "reached 1 channel."),
        ("alert", {"told": SILENT}, "critical", "mail b refused it."),
        ("alert", {"told": {"skipped": True}}, "unknown", "Nobody can be told"),
        ("alert", {"told": {"failed": True, "msg": "the disk is full"}}, "critical", "the disk is full"),
        ("prots", {}, "unknown", "'prots' is no part"),
    ],
)
def test_what_a_part_says(part: str, found: dict[str, Any], status: str, said: str) -> None:
    (row,) = selftest_outcome([part], {part: found}, subjects={part: "s"}, check_mode=False)["checks"]
    assert (row["check"], row["subject"], row["status"]) == (f"selftest.{part}", "s", status) and said in row["summary"]
    assert (status == "ok" or part == "prots") == ("hint" not in row)


def test_check_mode_tries_nothing_and_tells_what_stands_against_it() -> None:
    results = {"block": {"failure": "name a host"}, "files": {}, "alert": {}}
    rows = selftest_outcome(["block", "files", "alert"], results, subjects={}, check_mode=True)["checks"]
    assert [row["status"] for row in rows] == ["unknown", "ok", "ok"]
