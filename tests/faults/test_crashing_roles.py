"""A role that crashes becomes `unknown` with the reason, the others go on, and the exit status is the one asked for."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, closed_port

CRASHES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "killed for want of memory": (
        "resources", {"ansible_connection": "fading", "fading_killed_during": ["resource_metrics"]}, {}, "Killed",
    ),
    "a variable that does not exist": ("health", {"health_probes": "{{ nowhere }}"}, {}, "'nowhere' is undefined"),
    "a wrong option": ("resources", {}, {"resources_top_processes": 1000}, "top_processes: 1000 is not accepted; give 0 to 50"),
    "a wrong probe": ("health", {}, {"health_probes": [{"type": "htp", "url": "http://127.0.0.1"}]}, "accepted values: command, dns, http"),
    "concurrency of none": ("health", {}, {"health_concurrency": 0}, "concurrency must be a whole number from 1 to 1000, not 0"),
    "text where a number belongs": ("health", {}, {"health_wait_seconds": "soon"}, "argument 'wait_seconds' is of type str"),
    "a threshold that does not exist": ("resources", {}, {"resources_thresholds": {"cpu_warnign_percent": 80}}, "cpu_warnign_percent"),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_role_that_crashes_is_unknown_and_the_others_go_on(house: House, crash: str) -> None:
    role, variables, extra, reason = CRASHES[crash]
    other = {"health": "resources", "resources": "health"}[role]
    house.hosts["alpha"] = variables
    done = house.run("daily", **extra)
    assert done.rc == 2, done.output
    assert done.record["status"] == "unknown" and done.record["health"] == "UNKNOWN"
    assert done.role("alpha", role)["status"] == "unknown"
    result = done.check("alpha", "role.result", role)
    assert result["status"] == "unknown" and reason in result["summary"] and result["hint"], result
    assert done.role("alpha", other)["status"] == "ok"
    assert done.role("alpha", other)["checks"]
    assert house.records()[done.record["run_id"]] == done.record
    assert reason in done.table, done.output


@pytest.mark.parametrize(
    ("status", "fail_on", "rc"),
    [
        ("ok", "warning", 0),
        ("warning", "warning", 2),
        ("warning", "unknown", 0),
        ("unknown", "unknown", 2),
        ("unknown", "critical", 0),
        ("critical", "critical", 2),
        ("critical", "never", 0),
    ],
)
def test_the_exit_status_is_the_one_asked_for(house: House, status: str, fail_on: str, rc: int) -> None:
    probe: dict[str, Any] = {"name": "ticks", "type": "tcp", "port": house.platform["services"][0]["tcp"]["port"]}
    extra: dict[str, Any] = {}
    with closed_port() as port:
        if status == "warning":
            probe["warning_seconds"] = 0
        elif status == "critical":
            probe["port"] = port
        elif status == "unknown":
            extra["health_state_directory"] = "/dev/null/no_folder"
        done = house.run("daily", "--tags", "health", health_probes=[probe], upkeep_fail_on=fail_on, **extra)
    assert done.record["status"] == status, done.output
    assert done.rc == rc, done.output
    assert list(house.records()) == [done.record["run_id"]]
