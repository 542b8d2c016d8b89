"""The modules of the report directory as Ansible runs them: one process for each call, one JSON answer."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def run(module: str, *, check_mode: bool = False, env: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    return run_module(module, {**options, "_ansible_check_mode": check_mode}, env=env)


def record(hours_ago: float = 0, playbook: str = "daily", platform: str = "P") -> dict[str, Any]:
    ended = utc_now() - timedelta(hours=hours_ago)
    check = check_result("a.b", "x", "ok", "Fine.")
    return {
        "schema": 1, "run_id": f"{ended:%Y%m%dT%H%M%SZ}-1a2b3c4d", "platform": platform, "playbook": playbook, "check_mode": False,
        "started": to_iso(ended), "ended": to_iso(ended), "status": "ok", "health": "HEALTHY",
        "hosts": {"web": {"reachable": True, "roles": {"platform": {"status": "ok", "reason": "", "checks": [check]}}}},
    }


def report(directory: Path | str, found: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run("run_report", directory=str(directory), record=found, html="<p>x</p>", markdown="# x", **options)


def test_a_report_is_bookkeeping(tmp_path: Path) -> None:
    answer = report(tmp_path / "r", record())
    assert answer["changed"] is False and "failed" not in answer
    assert Path(answer["paths"]["html"]).read_text() == "<p>x</p>"
    assert "<p>x</p>" not in json.dumps(answer), "pages do not travel back"


def test_check_mode_writes_nothing_and_says_where(tmp_path: Path) -> None:
    answer = report(tmp_path / "r", record(), check_mode=True)
    assert answer["changed"] is False and answer["paths"]["latest"] == str(tmp_path / "r" / "latest.html")
    assert not list(tmp_path.iterdir())


def test_the_home_of_the_user_is_found(tmp_path: Path) -> None:
    answer = report("~/reports", record(), env={"HOME": str(tmp_path)})
    assert answer["paths"]["index"] == str(tmp_path / "reports" / "index.html")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"keep_runs": 0}, "keep_runs is 0; it must be 1 or more"),
        ({"record": {**record(), "run_id": "x"}}, "record.run_id is 'x'"),
        ({"prometheus_directory": "/nonexistent/metrics"}, "cannot write /nonexistent/metrics/upkeep_p_5c62e091.prom"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    arguments = {"directory": str(tmp_path), "record": record(), "html": "", "markdown": "", **options}
    answer = run("run_report", **arguments)
    assert answer["failed"] is True and says in answer["msg"]


def test_a_file_in_the_way_is_a_clear_failure(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("mine")
    answer = report(tmp_path / "r", record())
    assert answer["failed"] is True and "is no directory" in answer["msg"]
    assert (tmp_path / "r").read_text() == "mine"


CADENCES = [
    {"playbook": "daily", "warning_hours": 26, "critical_hours": 50},
    {"playbook": "weekly", "warning_hours": 170, "critical_hours": 340},
]


def history(directory: Path, **options: Any) -> dict[str, Any]:
    return run("run_history", directory=str(directory), platform="P", **options)


def test_an_empty_place_has_no_past(tmp_path: Path) -> None:
    answer = history(tmp_path / "absent", heartbeats=CADENCES)
    assert (answer["runs"], answer["heartbeats"], answer["status"]) == ([], {}, "unknown")
    assert [(check["subject"], check["status"]) for check in answer["checks"]] == [("daily", "unknown"), ("weekly", "unknown")]
    assert not list(tmp_path.iterdir())


def test_silence_is_an_alarm(tmp_path: Path) -> None:
    report(tmp_path, record(30))
    report(tmp_path, record(400, "weekly"))
    report(tmp_path, record(1, "daily", "Q"))
    report(tmp_path, record(2), whole=False)
    answer = history(tmp_path, heartbeats=CADENCES)
    assert [(check["subject"], check["status"]) for check in answer["checks"]] == [("daily", "warning"), ("weekly", "critical")]
    assert answer["status"] == "critical" and answer["changed"] is False
    assert [run_["playbook"] for run_ in answer["runs"]] == ["daily", "daily", "weekly"]
    assert set(answer["heartbeats"]) == {"daily", "weekly"}
    assert history(tmp_path)["status"] == "ok", "nothing was asked for"


def test_a_frequent_playbook_does_not_crowd_out_another(tmp_path: Path) -> None:
    for hours in (1, 2, 3):
        report(tmp_path, record(hours, "health_check"))
    report(tmp_path, record(30))
    assert [run_["playbook"] for run_ in history(tmp_path, max_runs=2)["runs"]] == ["health_check", "health_check", "daily"]


def test_a_damaged_index_is_a_warning_and_is_left_for_the_writer(tmp_path: Path) -> None:
    report(tmp_path, record())
    (tmp_path / "index.json").write_text("{")
    answer = history(tmp_path)
    assert [check["check"] for check in answer["checks"]] == ["report.index"]
    assert answer["status"] == "warning" and len(answer["runs"]) == 1
    assert (tmp_path / "index.json").read_text() == "{"


def test_a_damaged_heartbeat_is_unknown(tmp_path: Path) -> None:
    report(tmp_path, record())
    (tmp_path / "heartbeats" / "p_5c62e091.daily.json").write_text("{")
    answer = history(tmp_path, heartbeats=CADENCES[:1])
    assert answer["checks"][0]["status"] == "unknown" and "no JSON" in answer["checks"][0]["summary"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heartbeats": [{"playbook": "daily", "warning_hours": 3, "critical_hours": 2}]}, "heartbeats[0].warning_hours is above"),
        ({"heartbeats": [{"playbook": "daily", "warning_hours": "nan", "critical_hours": "nan"}]}, "heartbeats[0].warning_hours"),
        ({"heartbeats": [{"playbook": "daily", "warning_hours": -1, "critical_hours": 2}]}, "heartbeats[0].warning_hours"),
        ({"heartbeats": [{"playbook": "daily"}]}, "critical_hours, warning_hours"),
    ],
)
def test_wrong_cadences_are_named(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    answer = history(tmp_path, **options)
    assert answer["failed"] is True and says in answer["msg"]
