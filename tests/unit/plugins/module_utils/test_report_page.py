"""What the page shows."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.page_details import share_text
from ansible_collections.upkeep.runbook.plugins.module_utils.report_page import report_page
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import Run, Selection, build_record

RUN = Run("20261122T050000Z-1a2b3c4d", "P", "daily", False, datetime(2026, 11, 22, 5, 0, 12, tzinfo=timezone.utc))
PONG = {"ping": "pong"}
POINTS = [["2026-11-22T04:00:00Z", 10], ["2026-11-22T05:00:00Z", 20]]


def results() -> dict[str, Any]:
    return {
        "platform": PONG,
        "health": {
            "checks": [
                check_result("service.tcp", "b", "ok", "Open.", value=0.02, unit="s", warning=1),
                check_result("service.http", "a", "ok", "Fine.", value=0.01, unit="s", warning=1),
            ],
            "series": [{"name": "http a", "unit": "s", "points": POINTS}],
            "uptime": {"a": {"1d": 100, "7d": 99.999, "30d": None}},
        },
        "resources": {
            "checks": [
                check_result("memory.usage", "memory", "ok", "Fine.", value=50, unit="percent", warning=85),
                check_result("disk.space", "/", "warning", "Filling.", value=90, unit="percent", warning=85),
            ],
            "series": [
                {"name": "memory.usage", "unit": "percent", "points": POINTS},
                {"name": "disk.space:/", "unit": "percent", "points": POINTS},
            ],
            "top_processes": [{"name": "node", "pid": 1, "user": "x", "unit": "u", "cpu_percent": 1.5, "rss_bytes": 2048, "pss_bytes": None}],
        },
    }


def page_of(hosts: dict[str, dict[str, Any]], details: Any = None, **options: Any) -> dict[str, Any]:
    record = build_record(RUN, hosts, promised_roles=["health", "resources"], selection=Selection())
    return report_page(record, hosts if details is None else details, **options)


def test_services_and_resources_of_a_host() -> None:
    page = page_of({"web": results()})
    (host,) = page["hosts"]
    health, resources = host["roles"]
    assert [row["subject"] for row in health["rows"]] == ["a", "b"]
    assert health["has_trend"] and health["has_uptime"] and not health["rows"][1]["trend"]
    assert [share["text"] for share in health["rows"][0]["uptime"]] == ["100 %", "99.99 %", "no data"]
    assert [row["subject"] for row in resources["rows"]] == ["/", "memory"], "worst first"
    assert all(row["trend"] for row in resources["rows"])
    assert resources["rows"][0]["bar"] == pytest.approx(57.6)
    assert host["processes"][0]["memory"] == "2 KiB"
    assert [row["subject"] for row in page["problems"]] == ["/"]


@pytest.mark.parametrize(
    "damage",
    [
        None, "x", 7, [],
        {"series": "x", "uptime": [], "top_processes": {}},
        {"series": [None, {"name": "http a"}], "uptime": {"a": 1, "b": {"1d": "x"}}, "top_processes": [None, 7]},
        {"series": {"a": 1}, "uptime": {"a": {"1d": 1e9, "7d": True}}, "top_processes": [{"cpu_percent": "<b>"}]},
    ],
)
def test_details_that_are_absent_or_malformed_cost_nothing(damage: Any) -> None:
    page = page_of({"web": results()}, {"web": {"health": damage, "resources": damage}})
    assert len(page["hosts"][0]["roles"]) == 2
    assert not page["hosts"][0]["roles"][0]["has_trend"]


def test_probes_that_share_a_name_have_an_uptime_each() -> None:
    found = results()
    found["health"]["checks"].append(check_result("service.tcp", "a", "ok", "Open."))
    found["health"]["probes"] = [
        {"name": "a", "type": "tcp", "uptime": {"1d": 50}}, {"name": "a", "type": "http", "uptime": {}}, None, {"name": "b"}
    ]
    rows = page_of({"web": found})["hosts"][0]["roles"][0]["rows"]
    assert [(row["check"], row["uptime"][0]["text"]) for row in rows[:2]] == [("service.http", "100 %"), ("service.tcp", "50 %")]


def test_evidence_is_shown_and_bounded() -> None:
    found = results()
    evidence = {"top_files": [{"path": "/var/log/x", "bytes": 7}], "note": "as it is", "flood": ["x" * 500] * 100}
    found["resources"]["checks"][1]["evidence"] = evidence
    shown = {item["name"]: item["text"] for item in page_of({"web": found})["problems"][0]["evidence"]}
    assert shown["top files"] == '[{"path": "/var/log/x", "bytes": 7}]' and shown["note"] == "as it is"
    assert len(shown["flood"]) == 1500


def test_hosts_with_problems_come_first_and_stay_open() -> None:
    fine = {**results(), "resources": {"checks": [check_result("a.b", "x", "ok", "Fine.")]}}
    hosts = {f"web{number}": fine for number in range(8)}
    hosts["last"] = {"platform": {"unreachable": True, "msg": "gone"}}
    page = page_of(hosts)
    assert page["hosts"][0]["name"] == "last" and not page["hosts"][0]["reachable"]
    assert [host["open"] for host in page["hosts"]] == [True] + [False] * 8
    assert len({host["anchor"] for host in page["hosts"]}) == 9


def test_past_runs_are_those_of_the_same_playbook_oldest_first() -> None:
    runs = [
        {"run_id": f"r{number}", "playbook": playbook, "status": "ok", "health": "HEALTHY", "ended": f"2026-11-{number:02d}T05:00:00Z"}
        for number, playbook in ((21, "daily"), (20, "health_check"), (19, "daily"))
    ]
    page = page_of({"web": results()}, runs=runs)
    assert [run["run_id"] for run in page["runs"]] == ["r19", "r21", RUN.run_id]


@pytest.mark.parametrize(("share", "text"), [(100, "100 %"), (99.999, "99.99 %"), (99.5, "99.5 %"), (0, "0 %"), (99.0, "99 %")])
def test_uptime_is_rounded_down(share: float, text: str) -> None:
    assert share_text(share) == text


def test_suppressed_and_not_run_have_lists_of_their_own() -> None:
    found = results()
    found["resources"]["checks"][1]["suppressed"] = {"id": "1", "reason": "known", "until": "2026-12-01"}
    found["health"] = {"skipped": True, "false_condition": "x"}
    page = page_of({"web": found})
    assert page["health"] == "HEALTHY" and not page["problems"]
    assert page["suppressed"][0]["reason"] == "known"
    assert page["not_run"] == [{"host": "web", "role": "health", "reason": "nothing is configured for this host"}]
