"""Several calls become one result, and none of them goes missing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.joined_result import joined_result
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import role_entry

OFF = {"skipped": True, "changed": False, "false_condition": "'a' in parts"}
LOST = {"unreachable": True, "changed": False, "msg": "Task failed: No route to host."}


def good(name: str, **more: Any) -> dict[str, Any]:
    return {"changed": False, "status": "ok", "checks": [check_result(name, "x", "ok", "Fine.")], "diff": {}, "invocation": {}, **more}


def join(**parts: Any) -> dict[str, Any]:
    return joined_result(parts, list(parts))


def test_checks_and_details_of_all_are_kept() -> None:
    joined = join(a=good("a.x", listeners=[1]), b=good("b.x", changed=True))
    assert [check["check"] for check in joined["checks"]] == ["a.x", "b.x"]
    assert (joined["changed"], joined["failed"], joined["msg"]) == (True, False, "")
    assert joined["parts"] == {"a": {"status": "ok", "listeners": [1]}, "b": {"status": "ok"}}
    assert role_entry("r", joined)["status"] == "ok"


#: What a part left, and what is said of it; the other part is good.
PROBLEMS: list[tuple[Any, str]] = [
    ({"failed": True, "msg": "Task failed: Module failed: no such option."}, "b: no such option"),
    ({"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Killed\n"}, "b: MODULE FAILURE: Killed"),
    ({"failed": True}, "b: it gave no message"),
    ({"changed": False}, "b: it left no checks"),
    ({"checks": []}, "b: it left no checks"),
    ({"checks": {"check": "x"}}, "b: it left no checks"),
    ({"checks": "none"}, "b: it left no checks"),
    ("garbage", "b: it left no checks"),
    ({"skipped": True, "msg": "remote module does not support check mode"}, "b: it was skipped: remote module does not support check mode"),
]


@pytest.mark.parametrize(("left", "said"), PROBLEMS)
def test_a_part_without_checks_is_a_message_beside_the_checks_of_the_other(left: Any, said: str) -> None:
    joined = join(a=good("a.x"), b=left)
    assert (joined["failed"], joined["msg"]) == (True, said)
    assert [check["check"] for check in joined["checks"]] == ["a.x"]
    entry = role_entry("r", joined)
    assert entry["status"] == "unknown" and said in entry["reason"]
    assert [check["check"] for check in entry["checks"]] == ["a.x", "role.result"]


def test_a_part_that_failed_keeps_the_checks_that_it_left() -> None:
    joined = join(a=good("a.x"), b={**good("b.x"), "failed": True, "msg": "not accepted"})
    assert [check["check"] for check in joined["checks"]] == ["a.x", "b.x"] and joined["failed"]


def test_one_reason_for_all_is_said_once_and_without_names() -> None:
    broken = {"failed": True, "msg": "Task failed: python3: not found"}
    assert join(a=broken, b=broken)["msg"] == "python3: not found"
    assert join(a=broken, b=broken, c=good("c"))["msg"] == "a, b: python3: not found"


def test_every_name_survives_a_report_that_cuts_messages_off() -> None:
    names = ["logins", "processes", "ports", "files", "access"]
    joined = joined_result({name: {"failed": True, "msg": f"{name} " + "x" * 400} for name in names}, names)
    reason = role_entry("security_audit", joined)["reason"]
    assert all(f"{name}: {name}" in reason for name in names), reason


@pytest.mark.parametrize("off", [OFF, {}, None, {"skipped": True, "skip_reason": "Conditional result was False"}])
def test_what_is_switched_off_or_left_out_by_tags_counts_for_nothing(off: Any) -> None:
    joined = join(a=off, b=good("b.x"))
    assert not joined["failed"] and list(joined["parts"]) == ["b"]
    nothing = role_entry("r", join(a=off, b=off))
    assert (nothing["status"], nothing["reason"]) == ("not_run", "nothing is configured for this host")


@pytest.mark.parametrize("chosen", [["prots"], "prots", ["a", "prots"]])
def test_a_part_that_does_not_exist_is_a_failure_and_not_silence(chosen: Any) -> None:
    joined = joined_result({"a": OFF}, chosen)
    assert joined["msg"] == "'prots' is no part; accepted: a" and joined["failed"]
    assert role_entry("r", joined)["status"] == "unknown"


def test_a_host_that_is_lost_for_good_is_unreachable_and_what_was_found_before_counts() -> None:
    found = good("a.x")
    found["checks"][0]["status"] = "critical"
    joined = join(a=found, b=LOST, c=LOST, d=OFF)
    assert joined["unreachable"] is True and "No route to host" in joined["msg"]
    entry = role_entry("r", joined)
    assert entry["status"] == "critical" and [check["check"] for check in entry["checks"]] == ["a.x"]
    assert entry["reason"].startswith("the host was lost: ") and "No route to host" in entry["reason"]
    assert role_entry("r", join(a=good("a.x"), b=LOST))["status"] == "unknown"


def test_a_host_that_came_back_is_a_failure_of_what_it_missed() -> None:
    joined = join(a=LOST, b=good("b.x"))
    assert "unreachable" not in joined
    assert joined["msg"] == "a: the host was lost: No route to host"
