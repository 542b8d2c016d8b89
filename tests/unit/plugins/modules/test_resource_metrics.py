"""The module as Ansible runs it: its documentation is its argument spec, refusals name what is wrong, nothing changes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.modules import resource_metrics
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.gauges import REQUIRABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import threshold_options
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(**options: Any) -> dict[str, Any]:
    return run_module("resource_metrics", {"sample_seconds": 0.1, **options})


def test_it_measures_and_changes_nothing() -> None:
    result = run(return_all=True)
    assert result["changed"] is False
    unknown = {(check["check"], check["subject"]) for check in result["checks"] if check["status"] == "unknown"}
    # Python 3.9 is tested without psutil.
    assert unknown == (set() if importlib.util.find_spec("psutil") else {("restart.required", "processes")})
    assert {"cpu.usage", "memory.usage", "disk.space", "disk.inodes"} <= {check["check"] for check in result["checks"]}
    assert {point["name"] for point in result["series"]} >= {"cpu.usage", "memory.usage", "disk.space:/"}


def test_check_mode_gives_the_same_checks_and_writes_no_history(tmp_path: Path) -> None:
    history = str(tmp_path / "state/history.sqlite")
    result = run(history=history, return_all=True, _ansible_check_mode=True)
    assert not (tmp_path / "state").exists()
    again = run(history=history, return_all=True)
    assert (tmp_path / "state/history.sqlite").exists()
    assert [check["check"] for check in result["checks"]] == [check["check"] for check in again["checks"]]
    assert len(run(history=history)["series"][0]["points"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"thresholds": {"cpu_warning": 3}}, ["thresholds.cpu_warning", "cpu_warning_percent"]),
        ({"thresholds": {"cpu_warning_percent": "much"}}, ["cpu_warning_percent", "thresholds"]),
        ({"paths": [{"path": "/"}, {"pth": "/x"}]}, ["path", "paths"]),
        ({"required": ["cpu.usage"]}, ["required", *REQUIRABLE]),
        ({"paths": [{"path": "/", "warning_percent": 99}]}, ["paths[0].warning_percent", "99", "95"]),
        ({"sample_seconds": 600}, ["sample_seconds", "600", "0.1 to 60"]),
    ],
)
def test_a_wrong_option_fails_with_its_name_and_what_is_accepted(options: dict, words: list) -> None:
    result = run(**options)
    assert result["failed"] is True
    for word in words:
        assert word in result["msg"]


def documented_thresholds() -> dict[str, float]:
    """Return option and default of each threshold that the documentation names, without a YAML library."""
    found, name = {}, ""
    for line in resource_metrics.DOCUMENTATION.split("  thresholds:\n")[1].split("  required:\n")[0].splitlines():
        if line.startswith("      ") and line[6] != " " and line.endswith(":"):
            name = line.strip(" :")
        elif name and line.strip().startswith("default:"):
            found[name] = float(line.split(":")[1])
    return found


def test_the_documentation_names_every_threshold_with_its_default() -> None:
    assert documented_thresholds() == {name: option["default"] for name, option in threshold_options().items()}
