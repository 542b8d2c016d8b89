"""The module as Ansible runs it: accept, check, and all of it with and without check mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").write_text("a")
    return {"paths": [str(tmp_path / "tree")], "state_directory": str(tmp_path / "state")}


def test_four_times_each_change_is_accepted_once(tmp_path: Path, options: dict[str, Any]) -> None:
    accept = {**options, "state": "accepted", "reason": "known to be good"}
    check = {**accept, "_ansible_check_mode": True}
    assert [run_module("file_integrity", given)["changed"] for given in (check, accept, check, accept)] == [True, True, False, False]
    (tmp_path / "tree/a").write_text("b")
    answers = [run_module("file_integrity", given) for given in (check, accept, check, accept)]
    assert [answer["changed"] for answer in answers] == [True, True, False, False]
    assert answers[0]["diff"] == answers[1]["diff"] and "tree/a 0644" in answers[0]["diff"]["after"]


def test_checking_writes_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    assert run_module("file_integrity", options)["status"] == "unknown"
    assert not (tmp_path / "state").exists()
    done = run_module("file_integrity", {**options, "state": "accepted", "reason": "first"})
    (tmp_path / "tree/a").write_text("changed")
    before = sorted((str(path), path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    answer = run_module("file_integrity", {**options, "expected_digest": done["baseline"]["digest"]})
    assert (answer["changed"], answer["status"]) == (False, "critical")
    assert sorted((str(path), path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_names_that_are_no_text_cross_the_wire(tmp_path: Path, options: dict[str, Any]) -> None:
    run_module("file_integrity", {**options, "state": "accepted", "reason": "first"})
    (tmp_path / "tree" / b"\xff\n\x1b[31m".decode("utf-8", "surrogateescape")).write_text("")
    answer = run_module("file_integrity", options)
    assert answer["changes"][0]["path"] == str(tmp_path / "tree") + "/\\xff \\x1b[31m"
    assert json.dumps(answer)


def test_wrong_options_and_refusals_are_told_in_words(options: dict[str, Any]) -> None:
    result = run_module("file_integrity", {**options, "paths": ["relative"]})
    assert result["failed"] is True and result["msg"].startswith("paths[0]: 'relative' is not accepted")
    result = run_module("file_integrity", {**options, "state": "accepted", "reason": "x", "only_if_clean": True})
    assert result["failed"] is True and "no baseline yet" in result["msg"] and result["status"] == "unknown"
    assert "exception" not in result
