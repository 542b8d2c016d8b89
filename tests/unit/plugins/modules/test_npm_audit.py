"""The module as Ansible runs it, with a small program in the place of npm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

ADVISORY = {
    "source": 1001, "name": "a", "title": "Trouble", "severity": "high", "range": "<2.0.0",
    "url": "https://github.com/advisories/GHSA-aaaa-bbbb-0001",
}
REPORT = {
    "vulnerabilities": {"a": {"name": "a", "severity": "high", "isDirect": True, "via": [ADVISORY], "nodes": ["node_modules/a"]}},
    "metadata": {"dependencies": {"total": 1}},
}
# It reports a vulnerability of every project that is not called clean.
FAKE_NPM = """#!/bin/sh
grep -q clean package.json && echo '{"vulnerabilities": {}, "metadata": {"dependencies": {"total": 1}}}' || cat "$(dirname "$0")/report"
"""


@pytest.fixture
def npm(tmp_path: Path) -> str:
    program = tmp_path / "npm"
    program.write_text(FAKE_NPM)
    program.chmod(0o755)
    (tmp_path / "report").write_text(json.dumps(REPORT))
    return str(program)


def project(folder: Path, name: str) -> str:
    path = folder / name
    path.mkdir()
    (path / "package.json").write_text(json.dumps({"name": name, "dependencies": {"a": "1"}}))
    lock = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}
    (path / "package-lock.json").write_text(json.dumps(lock))
    return str(path)


def run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    return run_module("npm_audit", {"_ansible_remote_tmp": str(tmp_path / "remote"), **options})


def test_every_project_has_its_row_and_the_ok_ones_fold(tmp_path: Path, npm: str) -> None:
    paths = [project(tmp_path, name) for name in ("clean1", "clean2", "bad")] + [str(tmp_path / "gone")]
    result = run(tmp_path, projects=paths, executable=npm)
    assert (result["changed"], result["status"]) == (False, "unknown")
    assert [(check["status"], check.get("folded")) for check in result["checks"]] == [("unknown", None), ("warning", None), ("ok", 2)]
    assert [Path(row["path"]).name for row in result["projects"]] == ["bad", "gone"]
    assert result["totals"] == {
        "projects": 4, "audited": 3, "dependencies": 3, "ignored": 0,
        "vulnerabilities": {"critical": 0, "high": 1, "moderate": 0, "low": 0, "info": 0, "total": 1},
    }
    everything = run(tmp_path, projects=paths, executable=npm, return_all=True)
    assert [check["subject"] for check in everything["checks"]] == paths == [row["path"] for row in everything["projects"]]
    assert list((tmp_path / "remote").iterdir()) == []


def test_a_project_given_twice_is_audited_once(tmp_path: Path, npm: str) -> None:
    path = project(tmp_path, "clean")
    assert run(tmp_path, projects=[path, f"{path}/", f"{path}/../clean"], executable=npm)["totals"]["projects"] == 1


def test_an_ignore_makes_the_project_ok_and_is_told(tmp_path: Path, npm: str) -> None:
    path = project(tmp_path, "bad")
    known = {"id": "GHSA-aaaa-bbbb-0001", "reason": "Not used.", "expires": "2999-01-01"}
    result = run(tmp_path, projects=[path], executable=npm, ignore=[known], return_all=True, _ansible_check_mode=True)
    assert [(check["check"], check["status"]) for check in result["checks"]] == [("dependency.audit", "ok"), ("dependency.ignore", "ok")]
    assert result["projects"][0]["ignored"][0]["reason"] == "Not used."
    unused = {**known, "id": "999"}
    result = run(tmp_path, projects=[path], executable=npm, ignore=[known, unused])
    assert [(check["subject"], check["status"]) for check in result["checks"]][0] == ("999", "warning")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["projects"]),
        ({"projects": []}, ["projects is empty"]),
        ({"projects": ["/a", "b"]}, ["projects[1]", "'b'", "absolute"]),
        ({"level": "terrible"}, ["level", "moderate, high, critical"]),
        ({"level": "high", "critical_level": "low"}, ["critical_level", "low is milder than level (high)", "none"]),
        ({"timeout_seconds": 0}, ["timeout_seconds", "1 to 900"]),
        ({"retries": 99}, ["retries", "0 to 10"]),
        ({"concurrency": 0}, ["concurrency", "1 to 16"]),
        ({"omit": ["prod"]}, ["omit", "dev"]),
        ({"ignore": [{"id": "1", "reason": "r"}]}, ["expires", "ignore"]),
        ({"ignore": [{"id": "lodash", "reason": "r", "expires": "2027-01-01"}]}, ["ignore[0].id", "lodash", "GHSA"]),
        ({"registry": "registry.example.com"}, ["registry", "http://"]),
        ({"registry": "file:///etc/passwd"}, ["registry", "http://"]),
        ({"registry": "http://[::1"}, ["registry", "http://"]),
        ({"registry": "https://me:hunter2@registry.example.com/"}, ["registry", "config_file"]),
    ],
)
def test_a_wrong_option_fails_with_its_name_and_what_is_accepted(tmp_path: Path, options: dict, words: list) -> None:
    given = {"projects": ["/opt/app"], **options} if options else {}
    result = run(tmp_path, **given)
    assert result["failed"] is True
    for word in words:
        assert word in result["msg"]
    assert "hunter2" not in json.dumps(result)
