"""The rules of the check result: worst wins, unknown is worse than warning, nothing looked at is unknown."""

from __future__ import annotations

import itertools
import json

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import checks


def row(status: str, check: str = "disk.space", subject: str = "/") -> dict:
    return checks.check_result(check, subject, status, f"{subject} is {status}.")


@pytest.mark.parametrize("statuses", list(itertools.permutations(checks.SEVERITY)))
def test_worst_does_not_depend_on_the_order(statuses: tuple) -> None:
    assert checks.worst(statuses) == "critical"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "unknown"),
        (["ok"], "ok"),
        (["ok", "warning"], "warning"),
        (["unknown", "warning"], "unknown"),
        (["critical", "unknown", "ok"], "critical"),
    ],
)
def test_worst(statuses: list, expected: str) -> None:
    assert checks.worst(statuses) == expected


def test_a_misspelt_status_is_refused_rather_than_ranked() -> None:
    with pytest.raises(ValueError, match="CRITICAL"):
        checks.check_result("disk.space", "/", "CRITICAL", "full")


def test_suppressed_checks_do_not_count_but_an_empty_list_is_still_unknown() -> None:
    suppressed = {**row("critical"), "suppressed": {"id": "x", "reason": "known", "until": "2099-01-01"}}
    assert checks.worst_of([suppressed, row("warning")]) == "warning"
    assert checks.worst_of([suppressed]) == "ok"
    assert checks.worst_of([]) == "unknown"


@pytest.mark.parametrize(
    ("status", "health"),
    [("ok", "HEALTHY"), ("warning", "DEGRADED"), ("unknown", "UNKNOWN"), ("critical", "UNHEALTHY")],
)
def test_health_words(status: str, health: str) -> None:
    assert checks.platform_health(status) == health


@pytest.mark.parametrize(
    ("value", "warning", "critical", "expected"),
    [
        (84.99, 85, 95, "ok"),
        (85, 85, 95, "warning"),
        (95, 85, 95, "critical"),
        (100, None, None, "ok"),
        (100, None, 95, "critical"),
        (100, 85, None, "warning"),
        (0, 0, None, "warning"),
    ],
)
def test_grade_reaches_a_threshold_at_its_value(value: float, warning: float, critical: float, expected: str) -> None:
    assert checks.grade(value, warning, critical) == expected


def test_fold_keeps_every_problem_worst_first_and_counts_the_rest() -> None:
    rows = [row("ok", subject=str(number)) for number in range(10)]
    rows += [row("warning", subject="w"), row("critical", subject="c"), row("ok", "disk.inodes", "/")]
    folded = checks.fold_ok(rows)
    assert [(r["status"], r["subject"], r.get("folded")) for r in folded] == [
        ("critical", "c", None),
        ("warning", "w", None),
        ("ok", "10 subjects", 10),
        ("ok", "/", None),
    ]
    assert checks.worst_of(folded) == checks.worst_of(rows)
    assert checks.fold_ok(rows, return_all=True) == rows


def test_a_check_result_is_json_whatever_a_target_sends() -> None:
    hostile = "caf\udce9\x1b[31m\n" + "x" * 100_000
    result = checks.check_result(
        "log.line", hostile, "ok", hostile, value=float("nan"), evidence={hostile: [b"\xff\x00", float("inf"), {"deep": hostile}]}
    )
    text = json.dumps(result, allow_nan=False)
    assert "\\u001b" not in text
    assert result["subject"].startswith("caf\\xe9\\x1b[31m x")
    assert len(result["subject"]) <= checks.MAX_SUBJECT_CHARACTERS
    assert result["value"] is None
    assert len(text) < 20_000


def test_identity_ignores_the_figures() -> None:
    first = checks.check_result("disk.space", "/", "warning", "85 % full")
    second = checks.check_result("disk.space", "/", "critical", "96 % full")
    assert checks.identity("p", "h", first) == checks.identity("p", "h", second)
    assert checks.identity("p", "h", first) != checks.identity("p", "other", first)
