"""The module as Ansible runs it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def test_it_looks_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "dropper").write_text("")
    indicators = [{"type": "path", "value": f"{tmp_path}/drop*"}, {"type": "user", "value": "nobody-of-this-name"}]
    answer = run_module("ioc_scan", {"indicators": indicators})
    assert (answer["changed"], answer["status"]) == (False, "critical")
    assert answer["found"] == [{"type": "path", "value": f"{tmp_path}/drop*", "count": 1, "places": [f"{tmp_path}/dropper"]}]


def test_wrong_options_are_refused_in_words() -> None:
    result = run_module("ioc_scan", {"indicators": [{"type": "sha256", "value": "short"}]})
    assert result["failed"] is True and result["msg"].startswith("indicators[0]: 'short' is not accepted") and "exception" not in result
