"""The module as Ansible runs it: nothing changed, nothing written in check mode, refusals in words, both processors."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import DEFAULTS
from ansible_collections.upkeep.runbook.plugins.modules import access_log_stats
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import OPTIONS, line
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(**options: Any) -> dict[str, Any]:
    return run_module("access_log_stats", options)


def write_log(path: Path, number: int) -> str:
    at = datetime.now(timezone.utc) - timedelta(hours=2)
    path.write_text(
        "".join(
            line(at + timedelta(seconds=second % 3600), client=f"192.0.2.{second % 200}", status=200 if second % 500 else 502)
            for second in range(number)
        )
    )
    return str(path)


def test_the_unit_tests_give_what_ansible_gives_and_groups_have_every_limit() -> None:
    spec = access_log_stats.argument_spec()
    assert {name: option.get("default") for name, option in spec.items()} == OPTIONS
    assert set(DEFAULTS) < set(spec["groups"]["options"])
    assert all("default" not in option for option in spec["groups"]["options"].values())


def test_it_looks_and_changes_nothing(tmp_path: Path) -> None:
    path, state = write_log(tmp_path / "a.log", 300), tmp_path / "state"
    before = os.stat(path)
    result = run(paths=[path], state_directory=str(state), _ansible_check_mode=True)
    assert (result["changed"], result["status"], result["totals"]["requests"]) == (False, "ok", 300)
    assert not state.exists()
    again = run(paths=[path], state_directory=str(state))
    assert [(row["check"], row["status"]) for row in again["checks"]] == [
        (row["check"], row["status"]) for row in result["checks"]
    ]
    assert sorted(os.listdir(state)) == ["access_logs.json", "access_logs.json.lock"]
    assert os.stat(state / "access_logs.json").st_mode & 0o777 == 0o600
    after = os.stat(path)
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


def test_a_large_log_is_counted_by_two_processes_as_by_one(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.log", 60_000)
    assert os.path.getsize(path) > 4 << 20
    # One window for both: between the two runs the hour may turn.
    now = datetime.now(timezone.utc)
    window = {"since": f"{now - timedelta(hours=24):%Y-%m-%dT%H:%M:%SZ}", "until": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    one, two = (run(paths=[path], history=False, processes=number, objective_percent=99, **window) for number in (1, 2))
    differing = {name: one[name] for name in ("invocation",) if name in one}
    assert one == {**two, **differing}
    assert one["totals"]["requests"] == 60_000
    assert one["groups"][0]["error_budget"]["errors"] == 120


def test_wrong_options_are_refused_in_words() -> None:
    result = run(paths=["/a"], format="$remote_addr $status", history=False)
    assert result["failed"] is True
    assert result["msg"].startswith("format: it has no time; log $time_local")
    assert "exception" not in result
