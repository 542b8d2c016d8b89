"""What readers of a record rely on: order, counts, verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils import run_summary
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result


def record(*rows: tuple[str, str, str], **extra: Any) -> dict[str, Any]:
    hosts: dict[str, Any] = {}
    for host, subject, status in rows:
        roles = hosts.setdefault(host, {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": []}}})["roles"]
        role = roles.setdefault("health", {"status": "ok", "reason": "", "checks": []})
        role["checks"].append(check_result("service.http", subject, status, f"{subject} is {status}."))
    return {
        "schema": 1, "run_id": "20261122T050000Z-1a2b3c4d", "platform": "P", "playbook": "daily", "check_mode": False,
        "started": "2026-11-22T05:00:00Z", "ended": "2026-11-22T05:00:12Z", "status": "ok", "health": "HEALTHY", "hosts": hosts, **extra,
    }


MIXED = record(("b", "x", "ok"), ("b", "y", "critical"), ("a", "z", "warning"), ("a", "x", "critical"), ("a", "q", "unknown"))


def test_the_worst_comes_first_then_host_and_subject() -> None:
    assert [(row.host, row.check["subject"]) for row in run_summary.rows(MIXED)] == [
        ("a", "x"), ("b", "y"), ("a", "q"), ("a", "z"), ("b", "x"),
    ]
    assert [row.status for row in run_summary.problems(MIXED)] == ["critical", "critical", "unknown", "warning"]


def test_counts_know_folded_and_suppressed_rows() -> None:
    counted = record(("a", "x", "ok"), ("a", "y", "critical"))
    checks = counted["hosts"]["a"]["roles"]["health"]["checks"]
    checks[0]["folded"] = 41
    checks[1]["suppressed"] = {"id": "1"}
    assert run_summary.counts(counted) == {"ok": 41, "warning": 0, "unknown": 0, "critical": 0, "suppressed": 1}
    assert run_summary.problems(counted) == []
    assert run_summary.counts_sentence(counted) == "41 ok, 1 suppressed on 1 host"


def test_counts_sentence() -> None:
    assert run_summary.counts_sentence(MIXED) == "2 critical, 1 unknown, 1 warning, 1 ok on 2 hosts"
    assert run_summary.counts_sentence(record()) == "0 ok on 0 hosts"


@pytest.mark.parametrize(
    ("fail_on", "failing"),
    [
        ("warning", {"warning", "unknown", "critical"}),
        ("unknown", {"unknown", "critical"}),
        ("critical", {"critical"}),
        ("never", set()),
    ],
)
def test_fail_on(fail_on: str, failing: set[str]) -> None:
    assert {status for status in ("ok", "warning", "unknown", "critical") if run_summary.fails(status, fail_on)} == failing


def test_fail_on_refuses_another_word() -> None:
    with pytest.raises(ValueError, match="'sometimes', which is none of warning, unknown, critical, never"):
        run_summary.fails("ok", "sometimes")


def test_the_verdict_names_health_counts_and_the_worst() -> None:
    text = run_summary.verdict({**MIXED, "health": "UNHEALTHY", "status": "critical"})
    assert text.startswith("P is UNHEALTHY (daily: 2 critical, 1 unknown, 1 warning, 1 ok on 2 hosts). Worst: a service.http x: x is critical;")
    assert text.endswith("; and 1 more.")
    assert run_summary.verdict(record(("a", "x", "ok"))) == "P is HEALTHY (daily: 1 ok on 1 host)."


def test_statistics_hold_no_text_of_targets() -> None:
    text = json.dumps(run_summary.statistics(record(("secret-host", "secret-subject", "critical"))))
    assert "secret" not in text and '"critical": 1' in text


def test_a_report_host_outside_the_play_is_no_host_of_it() -> None:
    one = record(("a", "x", "ok"))
    one["hosts"]["monitor"] = {"reachable": True, "roles": {"report": {"status": "ok", "reason": "", "checks": []}}}
    assert run_summary.host_names(one) == ["a"]
