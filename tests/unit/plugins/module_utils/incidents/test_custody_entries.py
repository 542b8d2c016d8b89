"""What is written on behalf of all hosts: nothing twice, and no host goes missing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.custody_entries import announced, outstanding

PING: dict[str, Any] = {"ping": "pong"}
GONE: dict[str, Any] = {"unreachable": True, "msg": "no route to host"}
LEFT_OUT = {"skipped": True, "skip_reason": "Conditional result was False"}
OK = {"checks": [check_result("a.b", "s", "ok", "fine")]}
FOUND = {"checks": [check_result("ioc.found", "path /x", "critical", "found"), check_result("a.b", "s", "ok", "fine")]}


def test_a_run_that_begins_says_what_is_planned_on_each_host() -> None:
    entries = announced(["a", "b"], ["isolate", "sweep"], playbook="security_incident")
    assert [(one["host"], one["step"], one["outcome"]) for one in entries] == [
        ("a", "isolate", "planned"), ("b", "isolate", "planned"), ("a", "sweep", "planned"), ("b", "sweep", "planned"),
    ]
    (refused,) = announced(["a"], ["isolate"], playbook="p", refused="nobody confirmed")
    assert refused["outcome"] == "refused" and "nobody confirmed" in refused["summary"]


@pytest.mark.parametrize(
    ("step", "found", "outcome", "said"),
    [
        ("isolate", {"platform": GONE}, "failed", "not reached: no route to host"),
        ("evidence", {"platform": GONE, "evidence": None}, "failed", "not reached"),
        ("sweep", {}, "failed", "nobody asked"),
        ("verify", {"platform": {"failed": True, "msg": "no Python"}}, "failed", "no Python"),
        ("sweep", {"platform": PING, "sweep": OK}, "done", "sweep is ok."),
        ("sweep", {"platform": PING, "sweep": FOUND}, "done", "sweep is critical; 1 checks are critical or unknown."),
        ("sweep", {"platform": PING, "sweep": LEFT_OUT}, "done", "nothing is configured"),
        ("sweep", {"platform": PING, "sweep": {"failed": True, "msg": "wrong indicator"}}, "failed", "wrong indicator"),
        ("sweep", {"platform": PING, "sweep": GONE}, "failed", "the host was lost: no route"),
        ("sweep", {"platform": PING, "sweep": None}, "failed", "left no result"),
        ("verify", {"platform": PING, "security_audit": OK, "health": FOUND}, "done", "security_audit is ok, health is critical"),
        ("verify", {"platform": PING, "security_audit": OK, "health": None}, "failed", "health: the role left no result"),
        ("evidence", {"platform": PING, "evidence": {**OK, "custody_head": {"sequence": 3}}}, "", ""),
        ("evidence", {"platform": PING, "evidence": {"failed": True, "msg": "the report host is another one"}}, "failed", "another one"),
        ("evidence", {"platform": PING, "evidence": None}, "failed", "left no result"),
        ("isolate", {"platform": PING, "containment": {"logged": True, "steps": [{"step": "isolate"}]}}, "", ""),
        ("isolate", {"platform": PING, "containment": {"steps": [{"step": "isolate", "outcome": "done", "summary": "kept", "details": {}}]}},
         "done", "kept"),
        ("block", {"platform": PING, "containment": {"steps": [], "failed": True, "msg": "died"}}, "failed", "died"),
        ("isolate", {"platform": PING, "containment": LEFT_OUT}, "done", "nothing is configured"),
        ("isolate", {"platform": PING, "containment": None}, "failed", "left no result"),
        ("rotate", {"platform": PING, "secrets": LEFT_OUT, "containment": {"logged": True}}, "done", "nothing is configured"),
        ("rotate", {"platform": PING, "secrets": {"logged": True, "steps": [{"step": "rotate"}]}}, "", ""),
        ("rotate", {"platform": PING, "secrets": None}, "failed", "left no result"),
        ("release", {"platform": PING, "containment": {"logged": True}, "secrets": LEFT_OUT}, "", ""),
        ("release", {"platform": PING, "containment": {"logged": True}, "secrets": {"steps": [], "failed": True, "msg": "died"}}, "failed", "died"),
    ],
)
def test_what_became_of_a_step(step: str, found: dict[str, Any], outcome: str, said: str) -> None:
    entries = outstanding({"alpha": found}, [step])
    if not outcome:
        assert entries == []
        return
    (entry,) = entries
    assert (entry["host"], entry["step"], entry["outcome"]) == ("alpha", step, outcome) and said in entry["summary"]


def test_hostile_results_are_data() -> None:
    hostile = {"checks": [{"check": "x", "status": "critical"}, "nonsense", None], "msg": "\x1b[31m" * 1000}
    for result in (hostile, "text", ["list"], {"checks": "text"}, {"failed": True, "msg": "\x1b[31m\n" * 1000}):
        (entry,) = outstanding({"alpha": {"platform": PING, "sweep": result}}, ["sweep"])
        assert entry["outcome"] == "failed" and "\x1b" not in entry["summary"] and len(entry["summary"]) <= 500
