"""The exposition format: exact, escaped, and each identity once."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.prometheus_text import exposition

SAMPLE = re.compile(r'[a-z_]+\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\} -?[0-9]+')


def record(playbook: str, ended: str, *checks: dict[str, Any], status: str = "ok") -> dict[str, Any]:
    return {
        "schema": 1, "run_id": "20261122T050000Z-1a2b3c4d", "platform": "P", "playbook": playbook, "check_mode": False,
        "started": "2026-11-22T05:00:00Z", "ended": ended, "status": status, "health": "HEALTHY",
        "hosts": {"web": {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": list(checks)}}}},
    }


def row(subject: str, status: str, check: str = "a.b") -> dict[str, Any]:
    return check_result(check, subject, status, "Seen.")


def test_the_whole_file() -> None:
    checks = (row("x", "ok"), row("y", "warning"), row("z", "critical"), row("u", "unknown"))
    assert exposition([record("daily", "2026-11-22T05:00:12Z", *checks, status="critical")]) == (
        "# HELP upkeep_check_status Status of a check: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
        "# TYPE upkeep_check_status gauge\n"
        'upkeep_check_status{platform="P",host="web",check="a.b",subject="u"} 3\n'
        'upkeep_check_status{platform="P",host="web",check="a.b",subject="x"} 0\n'
        'upkeep_check_status{platform="P",host="web",check="a.b",subject="y"} 1\n'
        'upkeep_check_status{platform="P",host="web",check="a.b",subject="z"} 2\n'
        "# HELP upkeep_run_status Status of the last whole run: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
        "# TYPE upkeep_run_status gauge\n"
        'upkeep_run_status{platform="P",playbook="daily"} 2\n'
        "# HELP upkeep_run_ended_timestamp_seconds When the last whole run ended, in seconds since the epoch.\n"
        "# TYPE upkeep_run_ended_timestamp_seconds gauge\n"
        'upkeep_run_ended_timestamp_seconds{platform="P",playbook="daily"} 1795323612\n'
        "# HELP upkeep_run_duration_seconds How long the last whole run took.\n"
        "# TYPE upkeep_run_duration_seconds gauge\n"
        'upkeep_run_duration_seconds{platform="P",playbook="daily"} 12\n'
    )


def test_label_values_are_escaped() -> None:
    text = exposition([record("daily", "2026-11-22T05:00:12Z", {**row("x", "ok"), "subject": 'a"b\\c\nd} 9'})])
    assert 'subject="a\\"b\\\\c\\nd} 9"} 0\n' in text
    assert all(line.startswith("# ") or SAMPLE.fullmatch(line) for line in text.splitlines())


def test_the_newest_record_wins_and_each_identity_is_there_once() -> None:
    daily = record("daily", "2026-11-22T05:00:12Z", row("both", "critical"), row("daily only", "warning"))
    quick = record("health_check", "2026-11-22T09:00:12Z", row("both", "ok"))
    text = exposition([daily, quick])
    assert text.count('subject="both"') == 1 and 'subject="both"} 0' in text
    assert 'subject="daily only"} 1' in text
    assert text == exposition([quick, daily])
    assert len(re.findall("^# TYPE upkeep_run_status", text, re.MULTILINE)) == 1


def test_one_record_with_an_identity_twice_keeps_the_worst() -> None:
    assert 'subject="x"} 2\n' in exposition([record("daily", "2026-11-22T05:00:12Z", row("x", "critical"), row("x", "ok"))])


def test_suppressed_checks_have_a_metric_of_their_own() -> None:
    hidden = {**row("x", "critical"), "suppressed": {"id": "1"}}
    text = exposition([record("daily", "2026-11-22T05:00:12Z", hidden)])
    assert "upkeep_check_status{" not in text
    assert 'upkeep_check_suppressed{platform="P",host="web",check="a.b",subject="x"} 1\n' in text
