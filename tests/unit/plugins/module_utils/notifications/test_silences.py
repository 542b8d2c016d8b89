"""Silences: what is known stays in the record and does not count, until an end; a wrong one says so in words."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.silences import read_silences, with_silences
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import Run, Selection, build_record

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)
GOOD = {"id": "deploy", "until": "2026-11-23T06:00:00Z", "reason": "deployment of 4.2"}


def a_record() -> dict[str, Any]:
    def checks(*statuses: str) -> dict[str, Any]:
        return {"checks": [check_result("service.http", f"s{n}", status, "It answered.") for n, status in enumerate(statuses)]}

    pong = {"ping": "pong"}
    results = {
        "web-1": {"platform": pong, "health": checks("critical", "ok"), "resources": checks("warning")},
        "db-1": {"platform": {"unreachable": True, "msg": "No route"}},
    }
    return build_record(
        Run("20261122T045900Z-1a2b3c4d", "P", "daily", False, NOW), results,
        promised_roles=["health", "resources"], selection=Selection(),
    )


def silenced(*silences: Any, groups: dict[str, list[str]] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the record and, by host and subject, the ids of the silences that apply."""
    record = with_silences(a_record(), list(silences), groups or {}, report_host="localhost", now=NOW)
    marks = {
        f"{host} {check['subject']}": check["suppressed"]["id"]
        for host, entry in record["hosts"].items() for role in entry["roles"].values() for check in role["checks"]
        if check.get("suppressed")
    }
    return record, marks


@pytest.mark.parametrize(
    ("silence", "marked"),
    [
        ({}, ["db-1 db-1", "web-1 s0"]),
        ({"hosts": ["web-1"]}, ["web-1 s0"]),
        ({"hosts": "web-*"}, ["web-1 s0"]),
        ({"hosts": ["data"]}, ["db-1 db-1"]),
        ({"hosts": ["cache-1"]}, []),
        ({"check": "host.*"}, ["db-1 db-1"]),
        ({"check": "service.http", "subject": "s0"}, ["web-1 s0"]),
        ({"check": "service.http", "subject": "s1"}, []),
        ({"from": "2026-11-22T04:00:00+01:00"}, ["db-1 db-1", "web-1 s0"]),
        ({"from": "2026-11-22T06:00:00Z"}, []),
    ],
    ids=str,
)
def test_what_is_covered(silence: dict[str, Any], marked: list[str]) -> None:
    record, marks = silenced({**GOOD, **silence}, groups={"db-1": ["data"]})
    # The warning of resources has the subject of the critical one of health.
    assert sorted(marks) == marked
    assert "localhost" not in record["hosts"]


def test_what_is_fine_stays_fine_and_counts() -> None:
    record, _marks = silenced(GOOD)
    assert [check.get("suppressed") for check in record["hosts"]["web-1"]["roles"]["health"]["checks"]] == [
        {"id": "deploy", "reason": "deployment of 4.2", "until": "2026-11-23T06:00:00Z"}, None,
    ]


def test_a_window_over_everything_is_healthy_and_says_why_nobody_looked() -> None:
    record, _marks = silenced(GOOD)
    assert (record["status"], record["health"]) == ("ok", "HEALTHY")
    away = record["hosts"]["db-1"]["roles"]["health"]
    assert away["status"] == "not_run" and "deployment of 4.2" in away["reason"]


def test_a_window_over_one_host_leaves_the_other_as_it_is() -> None:
    record, _marks = silenced({**GOOD, "hosts": ["db-1"]})
    assert record["status"] == "critical"
    assert record["hosts"]["db-1"]["roles"]["platform"]["status"] == "ok"


def test_an_expired_one_silences_nothing_and_warns() -> None:
    record, marks = silenced({**GOOD, "until": "2026-11-21T05:00:00Z"})
    assert marks == {}
    entry = record["hosts"]["localhost"]["roles"]["notify"]
    assert entry["status"] == "warning"
    assert (entry["checks"][0]["check"], entry["checks"][0]["subject"]) == ("notify.silence", "deploy")
    assert "ended 24.0 hours ago, at 2026-11-21T05:00:00Z" in entry["checks"][0]["summary"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ([{"id": "x", "reason": "r"}], "has no end"),
        ([{"id": "x", "until": GOOD["until"]}], "has no reason"),
        ([{**GOOD, "reason": "  "}], "has no reason"),
        ([{**GOOD, "until": "2026-11-30"}], "until is '2026-11-30'; it must be a time with its zone"),
        ([{**GOOD, "until": "2026-11-30T06:00:00"}], "must be a time with its zone"),
        ([{**GOOD, "until": "soon"}], "must be a time with its zone"),
        ([{**GOOD, "from": "2026-11-24T06:00:00Z"}], "from is not before its until"),
        ([{**GOOD, "untill": "x"}], "untill is no key"),
        ([{**GOOD, "hosts": {"web": 1}}], "hosts must be a list"),
        ([{**GOOD, "hosts": []}], "hosts are an empty list"),
        ([{**GOOD, "hosts": ""}], "hosts must be a list"),
        ([{**GOOD, "check": ["a"]}], "check must be a text"),
        (["deploy"], "must be a mapping"),
        ({"deploy": GOOD}, "must be a list"),
        ("deploy", "must be a list"),
        (7, "must be a list"),
    ],
    ids=str,
)
def test_a_wrong_one_silences_nothing_and_says_why(written: Any, words: str) -> None:
    silences, checks = read_silences(written, now=NOW)
    assert silences == []
    assert [check["status"] for check in checks] == ["unknown"]
    assert words in checks[0]["summary"] and checks[0]["hint"]


@pytest.mark.parametrize("written", [None, "", [], ()])
def test_without_silences_the_record_is_as_it_was(written: Any) -> None:
    assert with_silences(a_record(), written, {}, report_host="localhost", now=NOW) == a_record()


def test_a_silence_cannot_hide_what_is_wrong_with_silences() -> None:
    record, _marks = silenced(GOOD, {"id": "broken"})
    assert record["status"] == "unknown"
