"""The module as Ansible runs it."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, run_module, start_module


def test_many_write_at_once(tmp_path: Path) -> None:
    options = {"directory": str(tmp_path), "incident": "INC-1"}
    entry = {"host": "web-1", "step": "block", "outcome": "done", "summary": "blocked"}
    started = [start_module("custody_log", {**options, "entries": [{**entry, "details": {"of": n}}] * 3}) for n in range(4)]
    answers = [answer_of(process) for process in started]
    assert all(answer["status"] == "ok" and answer["changed"] for answer in answers), answers
    assert sorted(number for answer in answers for number in answer["recorded"]) == list(range(1, 13))
    found = run_module("custody_log", {**options, "state": "verified", "expected_head": max((a["head"] for a in answers), key=lambda h: h["sequence"])})
    assert (found["status"], found["changed"], found["head"]["sequence"]) == ("ok", False, 12)
    lines = [json.loads(line) for line in (tmp_path / "INC-1/custody.jsonl").read_bytes().splitlines()]
    # The entries of a call stand together.
    assert [line["details"]["of"] for line in lines[::3]] == [line["details"]["of"] for line in lines[2::3]]


def test_check_mode_and_wrong_calls(tmp_path: Path) -> None:
    options = {"directory": str(tmp_path / "incidents"), "incident": "INC-1"}
    entry = {"host": "web-1", "step": "block", "outcome": "done", "summary": "blocked"}
    assert run_module("custody_log", {**options, "entries": [entry], "_ansible_check_mode": True})["changed"] is True
    assert "entries: 0" in run_module("custody_log", options)["msg"]
    assert "outcome" in run_module("custody_log", {**options, "entries": [{**entry, "outcome": "perhaps"}]})["msg"]
    assert list(tmp_path.iterdir()) == []
