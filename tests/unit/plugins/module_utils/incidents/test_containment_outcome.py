"""What a containment says of itself: to the report, and to the custody log."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.containment_outcome import containment_outcome

SINCE = {"isolation": {"isolated": True, "since": "2026-11-22T05:00:00Z", "reverts_at": "2026-11-22T05:05:00Z", "persistent": False}}
ISOLATED = {"changed": True, **SINCE, "checks": [
    check_result("isolation.state", "upkeep_isolation", "ok", "loaded"), check_result("isolation.timer", "upkeep_isolation", "ok", "at five"),
]}
CONFIRMED = {**ISOLATED, "checks": [check_result("isolation.state", "upkeep_isolation", "ok", "confirmed")]}
BLOCKED = {"changed": True, "added": [{"address": "192.0.2.7"}], "checks": [check_result("firewall.blocked", "upkeep_block", "ok", "1")]}
SHUT = {"changed": True, "accounts": [{"user": "eve", "contained": True, "sessions": [{"pid": 1}]}], "checks": []}
SKIPPED = {"skipped": True, "changed": False}


def outcome(steps: list[str], failure: dict[str, Any] | None = None, check_mode: bool = False, **results: Any) -> dict[str, Any]:
    return containment_outcome(steps, results, incident="INC-42", check_mode=check_mode, failure=failure)


def main(found: dict[str, Any]) -> tuple[str, str]:
    assert found["checks"][0]["check"] == "containment.result" and found["checks"][0]["subject"] == "INC-42"
    return found["checks"][0]["status"], found["checks"][0]["summary"]


def entries(found: dict[str, Any]) -> dict[str, str]:
    return {entry["step"]: entry["outcome"] for entry in found["steps"]}


def test_what_was_done_is_a_warning_until_it_is_taken_back() -> None:
    found = outcome(["isolate", "block"], isolated=ISOLATED, confirmed=CONFIRMED, shut=SHUT, blocked=BLOCKED)
    status, summary = main(found)
    assert (status, found["changed"]) == ("warning", True) and "--tags release" in found["checks"][0]["hint"]
    assert "since 2026-11-22T05:00:00Z; 1 account (eve) is shut, 1 address (192.0.2.7) is blocked anew." in summary
    assert entries(found) == {"isolate": "done", "block": "done"}
    # Each check once, as it was seen last; the timer was stopped.
    assert [row["summary"] for row in found["checks"][1:]] == ["confirmed", "1"]
    details = found["steps"][1]["details"]
    assert details["blocked"]["added"] == [{"address": "192.0.2.7"}] and "sessions" not in details["shut"]["accounts"][0]


def test_where_nothing_was_to_be_done_it_is_left_out() -> None:
    found = outcome(["isolate", "block"], isolated=SKIPPED, blocked=SKIPPED, shut={})
    assert found["skipped"] and "Conditional" in found["skip_reason"]
    assert outcome(["isolate"])["skipped"]


def test_check_mode_promises_and_changes_nothing() -> None:
    found = outcome(["isolate", "block"], check_mode=True, isolated=ISOLATED, confirmed=SKIPPED, blocked=BLOCKED)
    status, summary = main(found)
    assert (status, found["changed"]) == ("ok", False)
    assert "the host would be isolated; 1 address (192.0.2.7) would be blocked anew" in summary


def test_a_refusal_says_that_nothing_was_touched() -> None:
    found = outcome(["isolate", "block"], failure={"step": "preflight", "msg": "there would be no way back."})
    assert main(found) == ("critical", "INC-42: refused before anything was touched: there would be no way back.")
    assert entries(found) == {"isolate": "refused", "block": "refused"} and not found["changed"]


def test_a_failed_step_says_what_was_put_back_and_what_stays() -> None:
    failure = {"step": "block", "msg": "usermod failed", "put_back": {"accounts": {"changed": True}, "isolation": SKIPPED}}
    found = outcome(["isolate", "block"], failure=failure, isolated=ISOLATED, confirmed=CONFIRMED, shut={"failed": True, "msg": "usermod failed"})
    status, summary = main(found)
    assert status == "critical" and "What the step had done was put back. What was done before it stays: the host is isolated" in summary
    assert entries(found) == {"isolate": "done", "block": "failed"} and found["steps"][1]["details"]["put_back"] == {"accounts": True}


def test_a_step_before_the_failed_one_that_had_nothing_to_do_has_not_failed() -> None:
    found = outcome(["isolate", "block"], failure={"step": "block", "msg": "usermod failed"}, isolated=SKIPPED, shut={"failed": True})
    assert entries(found) == {"isolate": "done", "block": "failed"} and "nothing was to be done" in found["steps"][0]["summary"]


def test_an_operator_who_is_locked_out_learns_when_the_timer_gives_back() -> None:
    failure = {"step": "isolate", "msg": "nobody could come back", "put_back": {"isolation": {"unreachable": True, "msg": "timed out"}}}
    found = outcome(["isolate", "block"], failure=failure, isolated=ISOLATED, confirmed={"unreachable": True, "msg": "timed out"})
    summary = main(found)[1]
    assert "isolation.timer" in [row["check"] for row in found["checks"]], "it still runs"
    assert "NOT everything could be put back: the isolation (timed out); its timer gives the host back at 2026-11-22T05:05:00Z." in summary
    assert entries(found) == {"isolate": "failed", "block": "failed"} and "not begun" in found["steps"][1]["summary"]


def test_a_release_is_good_and_one_that_failed_leaves_the_rest_contained() -> None:
    calls = {
        "opened": {"changed": True, "accounts": [{"user": "eve"}]}, "unblocked": {"changed": True, "removed": [{"address": "a"}, {"address": "b"}]},
        "freed": {"changed": True, "checks": []},
    }
    status, summary = main(outcome(["release"], **calls))
    assert status == "ok" and "1 account (eve) was given back, 2 addresses (a, b) were released, the host was given back" in summary
    failed = outcome(["release"], failure={"step": "release", "msg": "usermod failed"}, opened={"failed": True})
    assert main(failed)[0] == "critical" and "stays contained" in main(failed)[1] and entries(failed) == {"release": "failed"}


def test_many_names_are_counted_and_kept_short() -> None:
    many = {"changed": True, "added": [{"address": f"192.0.2.{n}"} for n in range(200)], "checks": []}
    found = outcome(["block"], blocked=many)
    assert "200 addresses (192.0.2.0, 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 and 195 more) are blocked anew" in main(found)[1]
    assert len(found["steps"][0]["details"]["blocked"]["added"]) == 50
