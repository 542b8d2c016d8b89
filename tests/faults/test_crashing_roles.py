"""A role that crashes becomes `unknown` with the reason, the others go on, and the exit status is the one asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, listening

#: By host: the role that crashes, the variables that make it, and what the report says.
CRASHES: dict[str, tuple[str, dict[str, Any], str]] = {
    "killed-for-want-of-memory": (
        "resources", {"ansible_connection": "fading", "fading_killed_during": ["resource_metrics"]}, "Killed",
    ),
    "undefined-variable": ("health", {"health_probes": "{{ nowhere }}"}, "'nowhere' is undefined"),
    "wrong-option": (
        "resources", {"resources_top_processes": 1000}, "top_processes: 1000 is not accepted; give 0 to 50",
    ),
    "unknown-threshold": ("resources", {"resources_thresholds": {"cpu_warnign_percent": 80}}, "cpu_warnign_percent"),
    "wrong-probe-type": (
        "health", {"health_probes": [{"type": "tcp", "port": 1}, {"type": "htp"}]},
        "probes[1].type is 'htp'; accepted values: command, dns, http",
    ),
    "wrong-probe-option": (
        "health", {"health_probes": [{"type": "tcp", "prot": 1}]}, "probes[0].prot is no option of a probe of type tcp",
    ),
    "no-concurrency": (
        "health", {"health_concurrency": 0}, "concurrency must be a whole number from 1 to 1000, not 0",
    ),
    "endless-wait": ("health", {"health_wait_seconds": "inf"}, "wait_seconds must be a number from 0 to 86400, not inf"),
    "text-for-a-number": ("health", {"health_wait_seconds": "soon"}, "argument 'wait_seconds' is of type str"),
}


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One run over hosts on each of which a role crashes in its own way."""
    with listening() as port:
        house = House(tmp_path_factory.mktemp("crashed"), port)
        house.hosts = {host: variables for host, (_role, variables, _reason) in CRASHES.items()}
        done = house.run("daily", "--tags", "health,resources")
        assert house.records()[done.record["run_id"]] == done.record
        yield done


@pytest.mark.parametrize("host", CRASHES)
def test_a_role_that_crashes_is_unknown_and_the_others_go_on(crashed: Outcome, host: str) -> None:
    role, _variables, reason = CRASHES[host]
    other = {"health": "resources", "resources": "health"}[role]
    assert crashed.role(host, role)["status"] == "unknown"
    result = crashed.check(host, "role.result", role)
    assert result["status"] == "unknown" and reason in result["summary"] and result["hint"], result
    assert reason in crashed.table, crashed.output
    looked = crashed.role(host, other)["checks"]
    # This machine may wait for a restart, which is a warning.
    assert looked and all(check["status"] == "ok" for check in looked if check["check"] != "restart.required")


def test_a_run_with_crashed_roles_fails(crashed: Outcome) -> None:
    assert crashed.rc == 2, crashed.output
    assert crashed.record["status"] == "unknown" and crashed.record["health"] == "UNKNOWN"


#: Status of the run, upkeep_fail_on, exit status. The run above is unknown; tests of the role report and of the verdict have the other pairs.
VERDICTS = [
    ("warning", "warning", 2),
    ("warning", "unknown", 0),
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Outcome]]:
    """Runs of a service that answers late, all at once: by status and upkeep_fail_on."""
    with listening() as port, closing(House(tmp_path_factory.mktemp("ended"), port)) as house:
        probes = [{"name": "ticks", "type": "tcp", "port": port, "warning_seconds": 0}]
        started = {
            (status, fail_on): house.start("daily", "--tags", "health", upkeep_fail_on=fail_on, health_probes=probes)
            for status, fail_on, _rc in VERDICTS
        }
        outcomes = {case: run.wait() for case, run in started.items()}
        assert set(house.records()) == {done.record["run_id"] for done in outcomes.values()} == set(house.indexed())
        yield outcomes


@pytest.mark.parametrize(("status", "fail_on", "rc"), VERDICTS)
def test_the_exit_status_is_the_one_asked_for(
    ended: dict[tuple[str, str], Outcome], status: str, fail_on: str, rc: int
) -> None:
    done = ended[status, fail_on]
    assert done.record["status"] == status, done.output
    assert done.rc == rc, done.output
