"""The module as Ansible runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    return run_module("log_scan", {"state_directory": str(tmp_path / "state"), "_ansible_remote_tmp": str(tmp_path / "remote"), **options})


def test_lines_are_told_once_and_what_is_new_is_said(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("ERROR user 1 failed\nINFO slow query 5 ms\n")
    options = {
        "groups": [{"name": "app", "paths": [str(log)]}], "since": "beginning",
        "patterns": [{"name": "slow", "regex": "slow query", "severity": "info"}],
    }  # fmt: skip
    dry = run(tmp_path, **options, _ansible_check_mode=True)
    assert not (tmp_path / "state").exists()
    first = run(tmp_path, **options, return_all=True)
    assert (first["changed"], first["status"]) == (False, "ok") and dry["totals"] == first["totals"]
    assert first["groups"][0]["patterns"] == [{"name": "slow", "count": 1, "per_minute": None}]
    with log.open("a") as stream:
        stream.write("ERROR token=hunter2 \x1b[31m\n")
    second = run(tmp_path, **options)
    assert second["totals"]["errors"] == 1 and second["totals"]["new_signatures"] == 1
    assert [(row["check"], row["status"]) for row in second["checks"]][:2] == [("log.errors", "warning"), ("log.new_signatures", "warning")]
    assert [row["name"] for row in second["groups"]] == ["app"] and second["new_signatures"][0]["sample"] == "ERROR token=***"
    assert "hunter2" not in json.dumps(second)
    assert run(tmp_path, **options)["groups"] == []


def test_a_wrong_option_fails_with_its_name(tmp_path: Path) -> None:
    result = run(tmp_path, groups=[{"name": "app", "paths": ["logs/app.log"]}])
    assert result["failed"] is True and "groups[0].paths" in result["msg"] and "absolute" in result["msg"]
