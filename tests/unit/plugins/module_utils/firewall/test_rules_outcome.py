"""What the report is told of bringing security rules up to date."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_outcome import rules_outcome
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import confirm_refusal

PARTS = ["blocklists", "fail2ban", "nftables"]
SKIPPED = {"changed": False, "skipped": True}


def done(part: str, status: str = "ok", **more: Any) -> dict[str, Any]:
    return {"changed": True, "checks": [check_result(f"rules.{part}", "x", status, "It is.")], **more}


def statuses(outcome: dict[str, Any]) -> dict[str, str]:
    return {row["check"].partition(".")[2]: row["status"] for row in outcome["checks"]}


def test_without_parts_the_role_was_left_out() -> None:
    assert rules_outcome([], {}, check_mode=False)["skipped"] is True


def test_the_last_call_of_each_part_counts_and_check_mode_changes_nothing() -> None:
    results = {"blocklists": [done("blocklists", "warning")], "fail2ban": [done("fail2ban")], "nftables": [done("nftables", "warning"), done("nftables")]}
    outcome = rules_outcome(PARTS, results, check_mode=False)
    assert outcome["changed"] and statuses(outcome) == {"blocklists": "warning", "fail2ban": "ok", "nftables": "ok"}
    assert statuses(rules_outcome(PARTS, {**results, "nftables": [done("nftables"), SKIPPED]}, check_mode=False))["nftables"] == "ok"
    assert not rules_outcome(PARTS, results, check_mode=True)["changed"]
    assert statuses(rules_outcome(["fail2ban"], {"fail2ban": [{"changed": False}]}, check_mode=False)) == {"fail2ban": "unknown"}


def test_what_was_refused_is_critical_and_what_was_not_reached_unknown() -> None:
    refused = rules_outcome(PARTS, {}, check_mode=False, failure={"part": "fail2ban", "acted": False, "msg": "no such filter.", "put_back": {}})
    assert statuses(refused) == {"blocklists": "unknown", "fail2ban": "critical", "nftables": "unknown"} and not refused["changed"]
    assert refused["checks"][1]["summary"] == "no such filter. It was refused before anything was touched."
    unconfirmed = rules_outcome(PARTS, {}, check_mode=False, failure={"part": "", "acted": False, "msg": "confirm it"})
    assert set(statuses(unconfirmed).values()) == {"critical"}


@pytest.mark.parametrize(("put_back", "says"), [
    ({"changed": True}, "The rules from before are in force."), ({"changed": False}, "Nothing had to be put back."),
    ({"failed": True, "msg": "the disk is full"}, "were not put back (the disk is full): their timer does that."),
    ({"unreachable": True, "failed": True}, "its timer puts the rules from before back."), (SKIPPED, "What it did not do is as it was."),
])
def test_a_part_that_failed_says_how_the_host_is_left(put_back: dict[str, Any], says: str) -> None:
    results = {"blocklists": [done("blocklists")], "nftables": [done("nftables"), {"failed": True, "msg": "x"}]}
    failure = {"part": "nftables", "acted": True, "msg": "nobody came back", "put_back": put_back}
    outcome = rules_outcome(["blocklists", "nftables"], results, check_mode=False, failure=failure)
    assert statuses(outcome) == {"blocklists": "ok", "nftables": "critical"} and outcome["checks"][1]["summary"].endswith(says)


@pytest.mark.parametrize(("confirm", "check_mode", "refused"), [
    ("Shop", False, False), ("", True, False), ("", False, True), ("shop", False, True), ("Other", True, True),
])
def test_what_restricts_is_confirmed_with_the_name_of_the_platform(confirm: str, check_mode: bool, refused: bool) -> None:
    assert bool(confirm_refusal("it", confirm=confirm, platform="Shop", check_mode=check_mode)) is refused
