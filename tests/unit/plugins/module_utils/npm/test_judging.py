"""What vulnerabilities of each severity mean at each level."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.npm.judging import Audited, project_check, project_row
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Project, Unaudited


def row(severity: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "GHSA-aaaa-bbbb-0001", "source": 1, "package": "deep", "severity": severity, "title": "Trouble", "url": "", "range": "",
        "direct": False, "paths": ["node_modules/deep"] * 30, "affects": [], "fix_available": True, "fix": "deep@2", **more,
    }


def audited(*severities: str, dependencies: int = 5, **more: Any) -> Audited:
    project = Project("/opt/app", "package-lock.json", 3, dependencies, more.pop("unlocked", ()), {})
    return Audited("/opt/app", project=project, attempts=1, counting=[row(severity) for severity in severities], **more)


@pytest.mark.parametrize(
    ("severities", "level", "critical_level", "status"),
    [
        ((), "high", "critical", "ok"),
        (("moderate", "low"), "high", "critical", "ok"),
        (("high", "low"), "high", "critical", "warning"),
        (("critical",), "high", "critical", "critical"),
        (("critical",), "high", "none", "warning"),
        (("high",), "high", "high", "critical"),
        (("low",), "low", "critical", "warning"),
        (("info",), "info", "info", "critical"),
        (("high",), "critical", "critical", "ok"),
        (("unknown",), "high", "critical", "critical"),
        (("unknown",), "critical", "none", "warning"),
    ],
)
def test_status(severities: tuple, level: str, critical_level: str, status: str) -> None:
    check = project_check(audited(*severities), level, critical_level)
    assert (check["check"], check["subject"], check["status"]) == ("dependency.audit", "/opt/app", status)
    assert (check["warning"], check["critical"]) == (level, None if critical_level == "none" else critical_level)
    assert check["value"] == (severities[0] if severities else "none")
    assert ("hint" in check) == (status != "ok")


def test_the_sentence_has_figures_and_thresholds() -> None:
    check = project_check(audited("critical", "high", "high"), "high", "critical")
    assert check["summary"] == (
        "/opt/app has 3 known vulnerabilities: 1 critical, 2 high (warning from high, critical from critical); 3 can be mended."
        " Worst: deep, Trouble."
    )
    assert len(check["evidence"]["vulnerabilities"]) == 3 and len(check["evidence"]["vulnerabilities"][0]["paths"]) == 3


@pytest.mark.parametrize(
    ("dependencies", "words"), [(0, "0 dependencies of a registry"), (1, "has 1 dependency and"), (9, "has 9 dependencies and")]
)
def test_clean_says_of_how_many(dependencies: int, words: str) -> None:
    check = project_check(audited(dependencies=dependencies), "high", "critical")
    assert check["status"] == "ok" and words in check["summary"]


def test_ignored_ones_are_told() -> None:
    check = project_check(audited(ignored=[row("high", reason="Not used.", expires="2027-02-01T00:00:00Z")]), "high", "critical")
    assert check["status"] == "ok" and check["summary"].endswith("1 ignored.")
    assert check["evidence"]["ignored"] == ["GHSA-aaaa-bbbb-0001 in deep until 2027-02-01T00:00:00Z: Not used."]


@pytest.mark.parametrize(("severities", "status"), [((), "unknown"), (("high",), "unknown"), (("critical",), "critical")])
def test_packages_that_are_not_locked_are_not_clean(severities: tuple, status: str) -> None:
    check = project_check(audited(*severities, unlocked=("left", "right")), "high", "critical")
    assert check["status"] == status
    assert "Not audited, since package-lock.json lacks them or their versions: left, right." in check["summary"]
    assert "npm install --package-lock-only" in check["hint"]


def test_what_could_not_be_audited_is_unknown() -> None:
    result = Audited("/opt/app", problem=Unaudited("it is a project of yarn (yarn.lock)", hint="Ask yarn.", manager="yarn"))
    check = project_check(result, "high", "critical")
    assert (check["status"], check["value"], check["hint"]) == ("unknown", None, "Ask yarn.")
    assert check["summary"] == "The dependencies of /opt/app could not be audited: it is a project of yarn (yarn.lock)."
    shown = project_row(result, "unknown")
    assert (shown["manager"], shown["audit_available"], shown["totals"], shown["dependencies"]) == ("yarn", False, None, None)
    assert shown["reason"] == "it is a project of yarn (yarn.lock)"
    assert result.found is None


def test_the_row_of_a_project_is_bounded() -> None:
    shown = project_row(audited(*["low"] * 500), "ok")
    assert len(shown["vulnerabilities"]) == 100 and len(shown["vulnerabilities"][0]["paths"]) == 20
    assert shown["totals"]["low"] == shown["totals"]["total"] == 500


def test_a_hint_can_be_pasted_whatever_the_path() -> None:
    result = audited("high")
    check = project_check(Audited("/opt/my app; rm", project=result.project, counting=result.counting), "high", "critical")
    assert "cd '/opt/my app; rm' && npm audit" in check["hint"]
