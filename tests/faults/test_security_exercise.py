"""An exercise of an incident: planned, gone through in check mode, written down, and asked for by the weekly audit."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, listing

TODAY = datetime.now(timezone.utc).date()
PLANNED: dict[str, Any] = {
    "exercise_id": "EX-3", "exercise_scenario": "The key of the deploy user was stolen", "exercise_participants": "the person on call, the team lead",
}  # fmt: skip
HELD: dict[str, Any] = {
    **PLANNED,
    "exercise_findings": ["Nobody knew the number of the hosting provider."],
    "exercise_actions": [{"action": "Put it into the contacts", "owner": "the team lead", "due": str(TODAY + timedelta(days=30))}],
}


@pytest.fixture
def two(house: House) -> House:
    house.hosts = {"alpha": {}, "beta": {}}
    return house


def entries(house: House) -> list[dict[str, Any]]:
    path = house.reports / "exercises/EX-3/custody.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def readiness(outcome: Outcome) -> dict[str, str]:
    """Return the checks of the first host; on the other one nothing is told a second time."""
    assert outcome.role("beta", "readiness")["status"] == "not_run", outcome.output
    return {row["check"]: row["status"] for row in outcome.role("alpha", "readiness")["checks"]}


def test_an_exercise_is_written_down_and_the_audit_knows_when(two: House) -> None:
    never = two.run("security_audit", "--tags", "readiness")
    assert readiness(never) == {"security.exercise": "warning", "security.selftest": "warning"} and never.rc == 0, never.output
    assert "No exercise of an incident was written down for Test platform" in never.output

    before = listing(two.watched)
    shown = two.run("security_exercise", "--check", "--diff", **HELD)
    assert shown.rc == 0 and "Put it into the contacts" in shown.output and listing(two.watched) == before, shown.output
    planned = two.run("security_exercise", exercise_state="planned", **PLANNED)
    assert planned.rc == 0 and "changed=1" in planned.output and [row["outcome"] for row in entries(two)] == ["planned"], planned.output
    held = two.run("security_exercise", **HELD)
    assert held.rc == 0 and [row["outcome"] for row in entries(two)] == ["planned", "done"], held.output
    details = entries(two)[1]["details"]
    assert details["participants"] == ["the person on call", "the team lead"] and details["held"] == str(TODAY)
    assert details["findings"] == HELD["exercise_findings"] and details["actions"] == HELD["exercise_actions"]
    assert entries(two)[1]["sha256"] in held.output.replace("\n", ""), "to be kept elsewhere"
    again = two.run("security_exercise", **HELD)
    assert again.rc == 0 and "changed=0" in again.output and len(entries(two)) == 2, again.output

    known = two.run("security_audit", "--tags", "readiness")
    assert readiness(known) == {"security.exercise": "ok", "security.selftest": "warning"}, known.output
    assert "EX-3" in known.check("alpha", "security.exercise")["summary"]


def test_what_is_missing_is_asked_for_and_a_report_host_that_is_down_is_unknown(two: House) -> None:
    nameless = two.run("security_exercise")
    assert nameless.rc == 2 and "is no id" in nameless.output and not two.reports.exists(), nameless.output
    ownerless = two.run("security_exercise", **{**HELD, "exercise_actions": [{"action": "x", "owner": "", "due": str(TODAY)}]})
    assert ownerless.rc == 2 and "actions[0].owner is empty" in ownerless.output and not two.reports.exists(), ownerless.output
    two.hosts["nowhere"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    two.variables["readiness_report_host"] = "nowhere"
    lost = two.run("security_audit", "--tags", "readiness", "--limit", "alpha,beta")
    assert lost.rc == 2 and lost.role("alpha", "readiness")["status"] == "unknown", lost.output
