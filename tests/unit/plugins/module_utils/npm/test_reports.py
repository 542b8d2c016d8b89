"""Reports of npm 6 and of npm 7 and newer, whole and broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Unaudited
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.reports import count_severities, rank, read_report


def advisory(source: int, name: str, severity: str = "high", **more: Any) -> dict[str, Any]:
    return {
        "source": source, "name": name, "dependency": name, "title": f"Trouble with {name}", "severity": severity, "range": "<2.0.0",
        "url": f"https://github.com/advisories/GHSA-aaaa-bbbb-{source:04d}", **more,
    }


def entry(name: str, via: list, effects: tuple = (), fix: Any = True, direct: bool = False) -> dict[str, Any]:
    return {
        "name": name, "severity": "high", "isDirect": direct, "via": via, "effects": list(effects), "range": "",
        "nodes": [f"node_modules/{name}"], "fixAvailable": fix,
    }


def second(*entries: dict, total: int = 7) -> str:
    return json.dumps(
        {
            "auditReportVersion": 2,
            "vulnerabilities": {item["name"]: item for item in entries},
            "metadata": {"vulnerabilities": {"high": len(entries), "total": len(entries)}, "dependencies": {"total": total}},
        }
    )


def test_the_second_form_names_each_advisory_once_with_whom_it_affects() -> None:
    rows = read_report(
        second(
            entry("app", ["middle"], direct=True, fix={"name": "app", "version": "3.0.0", "isSemVerMajor": True}),
            entry("middle", ["deep"], ("app",)),
            entry("deep", [advisory(1, "deep", "critical"), advisory(2, "deep", "low")], ("middle",), fix=False),
        ),
        7,
        (),
    )
    assert [(row["id"], row["source"], row["severity"]) for row in rows] == [
        ("GHSA-aaaa-bbbb-0001", 1, "critical"), ("GHSA-aaaa-bbbb-0002", 2, "low"),
    ]
    assert rows[0] == {
        "id": "GHSA-aaaa-bbbb-0001", "source": 1, "package": "deep", "severity": "critical", "title": "Trouble with deep",
        "url": "https://github.com/advisories/GHSA-aaaa-bbbb-0001", "range": "<2.0.0", "direct": False,
        "paths": ["node_modules/deep"], "affects": ["app", "middle"], "fix_available": False, "fix": None,
    }


@pytest.mark.parametrize(
    ("fix", "available", "words"),
    [
        (True, True, "within the versions"),
        ({"name": "app", "version": "3.0.0", "isSemVerMajor": True}, True, "app@3.0.0 (may break"),
        ({"name": "app", "version": "2.1.0", "isSemVerMajor": False}, True, "app@2.1.0"),
        (False, False, None),
        (None, None, None),
    ],
)
def test_the_fix(fix: Any, available: Any, words: Any) -> None:
    (row,) = read_report(second(entry("a", [advisory(1, "a")], fix=fix)), 1, ())
    assert row["fix_available"] is available
    assert row["fix"] is None if words is None else row["fix"].startswith(words)


def test_effects_in_a_circle_end() -> None:
    rows = read_report(second(entry("a", [advisory(1, "a"), "b"], ("b",)), entry("b", ["a"], ("a",))), 2, ())
    assert [(row["package"], row["affects"]) for row in rows] == [("a", ["a", "b"])]


def test_a_vulnerable_package_whose_cause_is_not_in_the_report_is_not_lost() -> None:
    rows = read_report(second(entry("a", ["gone"]), entry("b", [])), 2, ())
    assert [(row["id"], row["severity"]) for row in rows] == [("a", "high"), ("b", "high")]


@pytest.mark.parametrize("given", ["", None, "moderated", 7])
def test_an_unknown_severity_is_the_worst(given: Any) -> None:
    via = advisory(1, "a")
    via["severity"] = given
    item = {**entry("a", [via]), "severity": None}
    (row,) = read_report(second(item), 1, ())
    assert row["severity"] == "unknown" and rank(row["severity"]) > rank("critical")
    assert count_severities([row]) == {"critical": 0, "high": 0, "moderate": 0, "low": 0, "info": 0, "unknown": 1, "total": 1}


# What npm 6.14.18 printed, shortened.
FIRST = {
    "actions": [],
    "advisories": {
        "1002": {
            "id": 1002, "title": "U", "severity": "critical", "vulnerable_versions": "<2.0.0", "module_name": "b",
            "url": "https://github.com/advisories/GHSA-aaaa-bbbb-dddd", "github_advisory_id": "GHSA-aaaa-bbbb-dddd",
            "patched_versions": ">=2.0.0",
            "findings": [{"version": "1.0.1", "paths": ["a>b", "c>d>b"], "dev": False}],
        },
        "577": {
            "id": 577, "title": "T", "severity": "low", "vulnerable_versions": "*", "module_name": "tool",
            "url": "https://npmjs.com/advisories/577", "patched_versions": "<0.0.0",
            "findings": [{"version": "1.0.0", "paths": ["tool"], "dev": True}],
        },
    },
    "muted": [],
    "metadata": {"vulnerabilities": {"low": 1, "critical": 1}, "dependencies": 3, "devDependencies": 1, "totalDependencies": 4},
}


def test_the_first_form() -> None:
    rows = read_report(json.dumps(FIRST), 4, ())
    assert [(row["id"], row["source"], row["package"], row["direct"], row["affects"]) for row in rows] == [
        ("GHSA-aaaa-bbbb-dddd", 1002, "b", False, ["a", "c"]), ("577", 577, "tool", True, []),
    ]
    assert [(row["fix_available"], row["fix"]) for row in rows] == [(True, "b >=2.0.0"), (False, None)]
    assert rows[0]["paths"] == ["a>b", "c>d>b"]


def test_npm_6_leaves_nothing_out_so_we_do() -> None:
    assert [row["package"] for row in read_report(json.dumps(FIRST), 3, ("dev",))] == ["b"]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "printed no report"),
        ("null", "printed no report"),
        ("[]", "printed no report"),
        ("<html>", "printed no report"),
        (second()[:-30], "printed no whole report"),
        ('{"a":' * 100_000, "printed no whole report"),
        ("{}", "unknown form"),
        ('{"vulnerabilities": []}', "unknown form"),
        ('{"vulnerabilities": {"a": 3}, "metadata": {"dependencies": {"total": 1}}}', "unknown form"),
        ('{"advisories": {"1": []}}', "unknown form"),
        ('{"error": {"code": "ENOAUDIT", "summary": "", "detail": ""}}', "ENOAUDIT"),
        ('{"error": "broken"}', "broken"),
        ('{"error": null}', "an error without words"),
        ('{"error": {"summary": "no lock"}, "vulnerabilities": {}}', "no lock"),
        ('{"message": "405 Method Not Allowed", "statusCode": 405, "vulnerabilities": {}}', "405 Method Not Allowed"),
        ('{"error": {"code": "EJSONPARSE", "summary": "first"}}\n{"error": {"summary": "second"}}', "first"),
        (second(total=0), "npm has read none of its 4 dependencies"),
        ('{"vulnerabilities": {}}', "npm has read none of its 4 dependencies"),
        ('{"advisories": {}, "metadata": {"totalDependencies": 0}}', "npm has read none of its 4 dependencies"),
        (
            '{"vulnerabilities": {}, "metadata": {"vulnerabilities": {"high": 1}, "dependencies": {"total": 4}}}',
            "counts vulnerabilities that its report does not name",
        ),
    ],
)
def test_what_is_no_report_is_no_clean_one(output: str, words: str) -> None:
    with pytest.raises(Unaudited) as caught:
        read_report(output, 4, ())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("status", "again"), [(405, False), (404, False), (401, False), (408, True), (429, True), (500, True), (None, True)]
)
def test_what_may_pass_is_tried_again(status: Any, again: bool) -> None:
    with pytest.raises(Unaudited) as caught:
        read_report(json.dumps({"message": "trouble", "statusCode": status}), 4, ())
    assert caught.value.again is again


def test_a_project_without_dependencies_is_clean() -> None:
    assert read_report(second(total=0), 0, ()) == []


@pytest.mark.parametrize("source", ["\u00b2", "\u0661", [1], {}, "9" * 10_000])
def test_a_number_of_an_advisory_that_is_none_ends_nothing(source: Any) -> None:
    (row,) = read_report(second(entry("a", [{**advisory(1, "a"), "source": source}, [source]])), 1, ())
    assert (row["id"], row["source"]) == ("GHSA-aaaa-bbbb-0001", None)


def test_text_of_a_registry_is_printable_and_bounded() -> None:
    hostile = advisory(1, "a", title="\x1b[2J" + "x" * 100_000, url="javascript:" + "y" * 100_000)
    hostile["name"] = "\u202e" + "n" * 100_000
    (row,) = read_report(second({**entry("a", [hostile]), "nodes": ["p" * 10_000] * 5000}), 1, ())
    assert max(len(text) for text in [*row["paths"], row["title"], row["url"], row["package"], row["id"]]) <= 300
    assert "\x1b" not in row["title"] and "\u202e" not in row["package"]
