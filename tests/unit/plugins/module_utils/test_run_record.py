"""The run record: nothing that was promised goes missing, and nothing that a target says breaks it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.received_checks import MAX_CHECKS_PER_ROLE
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import (
    Run,
    Selection,
    build_record,
    host_status,
    role_entry,
)

ENDED = datetime(2026, 11, 22, 5, 0, 12, tzinfo=timezone.utc)
RUN = Run("20261122T050000Z-1a2b3c4d", "NeuroSense FX", "daily", False, ENDED)
PONG = {"ping": "pong", "changed": False}
GONE = {"unreachable": True, "msg": "Task failed: No route to host.", "changed": False}


def row(status: str = "ok", subject: str = "frontend") -> dict[str, Any]:
    return check_result("service.http", subject, status, "It answered.")


def good(*statuses: str) -> dict[str, Any]:
    return {"changed": False, "checks": [row(status, f"s{index}") for index, status in enumerate(statuses or ("ok",))]}


def record_of(hosts: dict[str, dict[str, Any]], **options: Any) -> dict[str, Any]:
    options = {"promised_roles": ["health", "resources"], "selection": Selection(), **options}
    return build_record(RUN, hosts, **options)


def test_hosts_whose_names_become_one_stay_two() -> None:
    long = "h" * 300
    record = record_of({
        f"{long}a": {"platform": GONE}, f"{long}b": {"platform": PONG, "health": good(), "resources": good()},
        "a  b": {"platform": GONE}, "a b": {"platform": PONG, "health": good(), "resources": good()},
    })  # fmt: skip
    assert len(record["hosts"]) == 4
    assert [host["reachable"] for host in record["hosts"].values()] == [False, True, False, True]


def test_the_schema_is_the_one_that_is_promised() -> None:
    record = record_of({"web": {"platform": PONG, "health": good(), "resources": good("warning")}})
    assert list(record) == [
        "schema", "run_id", "platform", "playbook", "check_mode", "started", "ended", "status", "health", "hosts",
    ]
    assert record["schema"] == 1
    assert (record["started"], record["ended"]) == ("2026-11-22T05:00:00Z", "2026-11-22T05:00:12Z")
    assert (record["status"], record["health"]) == ("warning", "DEGRADED")
    host = record["hosts"]["web"]
    assert list(host) == ["reachable", "roles"] and host["reachable"] is True
    assert list(host["roles"]) == ["platform", "health", "resources"]
    assert all(list(role) == ["status", "reason", "checks"] for role in host["roles"].values())
    assert [check["check"] for check in host["roles"]["platform"]["checks"]] == ["host.reachable"]
    json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    ("statuses", "health"),
    [
        (("ok", "ok"), "HEALTHY"),
        (("ok", "warning"), "DEGRADED"),
        (("unknown", "warning"), "UNKNOWN"),
        (("critical", "warning"), "UNHEALTHY"),  # the milder one that comes later does not overwrite it
        (("unknown", "critical"), "UNHEALTHY"),
    ],
)
def test_the_whole_is_as_bad_as_its_worst_part(statuses: tuple[str, str], health: str) -> None:
    record = record_of({
        "a": {"platform": PONG, "health": good(statuses[0]), "resources": good()},
        "b": {"platform": PONG, "health": good(), "resources": good(statuses[1])},
    })
    assert record["health"] == health


@pytest.mark.parametrize(
    ("result", "status", "says"),
    [
        (None, "unknown", "left no result"),
        ("text", "unknown", "no dictionary"),
        ({"failed": True, "msg": "Task failed: Module failed: boom."}, "unknown", "the role failed: boom"),
        ({"failed": True}, "unknown", "gave no message"),
        (
            {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Traceback\nfoo\nKeyError: 'x'"},
            "unknown", "KeyError",
        ),
        ({"skipped": True, "skip_reason": "Conditional result was False", "false_condition": "x"}, "not_run", "nothing is configured"),
        ({"skipped": True, "msg": "remote module (x) does not support check mode"}, "unknown", "does not support check mode"),
        ({"changed": False}, "unknown", "returned no checks"),
        ({"checks": "ok"}, "unknown", "no list"),
        ({"checks": {"a": 1}}, "unknown", "no list"),
        ({"checks": []}, "unknown", "looked at nothing"),
        ({"checks": ["ok"]}, "unknown", "checks[0] is no dictionary"),
        ({"checks": [{**row(), "status": "fine"}]}, "unknown", "checks[0] has the status 'fine'"),
        ({"checks": [{**row(), "subject": None}]}, "unknown", "checks[0] has no text as subject"),
        ({"checks": [{"check": "a"}]}, "unknown", "checks[0]"),
        ({"checks": [{**row(), "check": " "}]}, "unknown", "empty check id"),
        ({"checks": [{**row("critical"), "suppressed": "yes"}]}, "unknown", "suppression"),
        ({"checks": [row()]}, "ok", ""),
    ],
)
def test_what_a_role_left_behind(result: Any, status: str, says: str) -> None:
    entry = role_entry("health", result)
    assert entry["status"] == status
    assert says in entry["reason"]
    if status == "unknown":
        assert [check["check"] for check in entry["checks"]] == ["role.result"]
        assert entry["checks"][0]["subject"] == "health" and entry["checks"][0]["hint"]


def test_a_malformed_check_does_not_take_the_good_ones_with_it() -> None:
    entry = role_entry("health", {"checks": [row("critical"), {"status": "ok"}, 7]})
    assert entry["status"] == "critical"
    assert [check["check"] for check in entry["checks"]] == ["service.http", "role.result"]
    assert "and 1 more" in entry["reason"]


def test_an_unreachable_host_is_one_critical_row() -> None:
    host = record_of({"web": {"platform": GONE}})["hosts"]["web"]
    assert host["reachable"] is False and host_status(host) == "critical"
    check = host["roles"]["platform"]["checks"][0]
    assert check["summary"] == "The host is unreachable: No route to host"
    for role in ("health", "resources"):
        assert host["roles"][role] == {"status": "unknown", "reason": "the host is unreachable", "checks": []}


def test_a_host_that_is_lost_in_the_middle() -> None:
    host = record_of({"web": {"platform": PONG, "health": good(), "resources": GONE}})["hosts"]["web"]
    assert host["reachable"] is False
    assert host["roles"]["health"]["status"] == "ok"
    assert host["roles"]["resources"]["status"] == "unknown"
    check = host["roles"]["platform"]["checks"][0]
    assert check["status"] == "critical" and "lost during resources" in check["summary"]


def test_a_role_with_nothing_to_do_does_not_bring_a_lost_host_back() -> None:
    skipped = {"skipped": True, "changed": False, "false_condition": "backups_groups | length > 0"}
    results = {"platform": PONG, "health": good(), "resources": GONE, "backups": skipped}
    host = record_of({"web": results}, promised_roles=["health", "resources", "backups"])["hosts"]["web"]
    assert host["reachable"] is False
    assert host["roles"]["platform"]["checks"][0]["status"] == "critical"


def test_a_host_that_comes_back() -> None:
    host = record_of({"web": {"platform": PONG, "health": GONE, "resources": good()}})["hosts"]["web"]
    assert host["reachable"] is True
    assert host["roles"]["platform"]["checks"][0]["status"] == "warning"
    assert host["roles"]["health"]["checks"][0]["check"] == "role.result"
    assert host_status(host) == "unknown"


@pytest.mark.parametrize("ping", [None, {"skipped": True}, {"failed": True, "msg": "no python"}, "?"])
def test_a_host_that_was_not_reached_for_another_reason_is_unknown(ping: Any) -> None:
    host = record_of({"web": {"platform": ping, "health": good(), "resources": good()}})["hosts"]["web"]
    assert host["reachable"] is False
    assert host["roles"]["platform"]["checks"][0]["status"] == "unknown"


def test_a_host_on_which_no_module_runs_says_why_once() -> None:
    died = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "/bin/sh: 1: /opt/python: not found\n"}
    other = {"failed": True, "msg": "No space left on device"}
    roles = record_of({"web": {"platform": died, "health": died, "resources": other}})["hosts"]["web"]["roles"]
    assert "/opt/python: not found" in roles["platform"]["checks"][0]["summary"]
    assert roles["health"]["reason"] == "the role failed: the same reason as host.reachable"
    assert [check["check"] for check in roles["health"]["checks"]] == ["role.result"]
    assert roles["resources"]["reason"] == "the role failed: No space left on device"
    sound = record_of({"web": {"platform": PONG, "health": died, "resources": died}})["hosts"]["web"]["roles"]
    for role in ("health", "resources"):
        assert "/opt/python: not found" in sound[role]["reason"], "nothing else tells it"


@pytest.mark.parametrize(
    ("run_tags", "skip_tags", "left_out"),
    [
        (["all"], [], False),
        (["health"], [], False),
        (["resources"], [], True),
        (["tagged"], [], False),
        (["untagged"], [], True),
        (["all"], ["health"], True),
        (["all"], ["tagged"], True),
        (["health"], ["health"], True),
        (["always"], [], True),
    ],
)
def test_tags(run_tags: list[str], skip_tags: list[str], left_out: bool) -> None:
    assert Selection(run_tags, skip_tags).leaves_out("health") is left_out


def test_a_role_with_two_tags_is_left_out_by_either_and_chosen_by_either() -> None:
    for tag in ("security", "security_audit"):
        assert not Selection([tag]).leaves_out("security_audit")
        assert Selection(["all"], [tag]).leaves_out("security_audit")
    assert Selection(["health"]).leaves_out("security_audit") and Selection(["security"]).leaves_out("health")


def test_a_role_left_out_by_tags_does_not_count() -> None:
    record = record_of({"web": {"platform": PONG, "health": good()}}, selection=Selection(["health"]))
    assert record["status"] == "ok"
    assert record["hosts"]["web"]["roles"]["resources"] == {
        "status": "not_run", "reason": "left out by the tags of this run", "checks": [],
    }


def test_a_result_counts_whatever_the_tags_say() -> None:
    record = record_of({"web": {"platform": PONG, "health": good("critical")}}, selection=Selection(["resources"]))
    assert record["status"] == "critical"


def test_a_run_that_saw_nothing_is_not_healthy() -> None:
    record = record_of({"web": {"platform": PONG}}, selection=Selection(["always"]), report_host="monitor")
    assert record["health"] == "UNKNOWN"
    assert record["hosts"]["monitor"]["roles"]["report"]["checks"][0]["check"] == "role.result"
    assert record_of({})["health"] == "UNKNOWN"


def test_checks_of_the_run_itself_belong_to_the_report_host() -> None:
    beat = check_result("heartbeat.age", "daily", "critical", "Silent for 3 days.")
    hosts = {"web": {"platform": PONG, "health": good(), "resources": good()}}
    elsewhere = record_of(hosts, report_host="localhost", report_result={"checks": [beat]})
    assert elsewhere["hosts"]["localhost"]["reachable"] is True
    assert list(elsewhere["hosts"]["localhost"]["roles"]) == ["report"]
    assert elsewhere["status"] == "critical"
    same = record_of(hosts, report_host="web", report_result={"checks": [beat]})
    assert list(same["hosts"]) == ["web"] and same["hosts"]["web"]["roles"]["report"]["checks"] == [beat]
    assert list(record_of(hosts, report_host="localhost", report_result={"checks": []})["hosts"]) == ["web"]
    broken = record_of(hosts, report_host="monitor", report_result=GONE)
    assert broken["hosts"]["monitor"]["reachable"] is False and broken["status"] == "unknown"


def test_suppressed_checks_stay_and_do_not_count() -> None:
    suppressed = {**row("critical"), "suppressed": {"id": "x", "reason": "known", "until": "2026-12-01"}}
    entry = role_entry("health", {"checks": [suppressed, row()]})
    assert entry["status"] == "ok"
    assert entry["checks"][0]["suppressed"]["reason"] == "known"


def test_hostile_text_is_plain_and_bounded() -> None:
    nasty = "\x1b[31m\u202ered\x00\udcff" + "x" * 10_000
    check = {**row(), "subject": nasty, "summary": nasty, "evidence": {nasty: [nasty] * 1000}, "value": float("nan"), "hint": nasty}
    entry = role_entry("health", {"checks": [check]})
    text = json.dumps(entry, allow_nan=False, ensure_ascii=False)
    assert len(text) < 600_000
    assert not any(character in text for character in "\x1b\u202e\x00\udcff")
    assert "\\x1b" in entry["checks"][0]["subject"]


def test_a_flood_of_checks_is_bounded_and_said() -> None:
    entry = role_entry("health", {"checks": [row()] * (MAX_CHECKS_PER_ROLE + 5)})
    assert len(entry["checks"]) == MAX_CHECKS_PER_ROLE + 1
    assert entry["status"] == "unknown" and "5 checks beyond" in entry["reason"]


def test_many_checks_are_not_cut_silently() -> None:
    assert len(role_entry("health", {"checks": [row()] * 1000})["checks"]) == 1000


def test_the_example_of_the_documentation_is_a_record() -> None:
    """The page that explains the record shows what is built, key by key."""
    page = (Path(__file__).parents[4] / "docs" / "run_record.md").read_text()
    example = json.loads(page.partition("```json\n")[2].partition("```")[0])
    shown = example["hosts"]["web-1"]
    built = record_of(
        {"web-1": {"platform": PONG, "health": {"checks": shown["roles"]["health"]["checks"]}}}, selection=Selection(["health"])
    )
    assert built == example
