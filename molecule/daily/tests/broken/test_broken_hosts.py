"""Hosts that are full, gone or going, and roles that crash: the rest is still looked at, and the report says what is missing.

Each test finds exactly what it broke, so the next one proves that nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from containers import Container
from upkeep_run import FAILED, Run

APP, SECOND = "nsfx-app-1", "nsfx-app-2"
PROMISED = ("health", "resources", "databases", "certificates", "log_review", "logs", "traffic", "security_audit", "dependencies", "backups")
APP_OK = {"platform": "ok"} | {role: "ok" for role in PROMISED}
#: It serves no certificate, has no web server and no database, and keeps no backup.
SECOND_OK = APP_OK | dict.fromkeys(("databases", "certificates", "traffic", "backups"), "not_run")
GONE = {"platform": "critical"} | {role: "unknown" for role in PROMISED}
PROBING = "TASK [upkeep.runbook.health : Probe the services"
BACKUPS = "/opt/backups/neurosensefx"


def roles(run: Run, host: str) -> dict[str, str]:
    """The status of each role of a host."""
    return {name: entry["status"] for name, entry in run.record["hosts"][host]["roles"].items()}


@pytest.mark.parametrize(
    ("mebibytes", "status", "health", "exit_status"),
    [(57, "warning", "DEGRADED", 0), (62, "critical", "UNHEALTHY", FAILED)],
)
def test_full_file_system(
    daily: Callable[..., Run],
    app: Container,
    mebibytes: int,
    status: str,
    health: str,
    exit_status: int,
) -> None:
    app.sh(f"fallocate --length {mebibytes}MiB {BACKUPS}/fill")
    try:
        run = daily()
    finally:
        app.sh(f"rm {BACKUPS}/fill")
    expected = ({(APP, "disk.space", BACKUPS, status)}, health, exit_status)
    assert (run.problems(), run.health, run.status) == expected, run.output


def test_unreachable_second_host(daily: Callable[..., Run], second: Container) -> None:
    with second.paused():
        run = daily()
    expected = ({(SECOND, "host.reachable", SECOND, "critical")}, "UNHEALTHY", FAILED)
    assert (run.problems(), run.health, run.status) == expected, run.output
    assert roles(run, SECOND) == GONE
    assert roles(run, APP) == APP_OK


def test_all_hosts_unreachable(daily: Callable[..., Run], app: Container, second: Container) -> None:
    with app.paused(), second.paused():
        run = daily()
    gone = {(host, "host.reachable", host, "critical") for host in (APP, SECOND)}
    assert (run.problems(), run.health, run.status) == (gone, "UNHEALTHY", FAILED), run.output


def test_host_that_disappears_in_the_middle(daily: Callable[..., Run], app: Container) -> None:
    """It answers at first, and is gone while its services are probed."""
    with app.faults(health_delay_seconds=30), app.killed_later() as kill:
        run = daily(at=PROBING, then=kill)
    expected = ({(APP, "host.reachable", APP, "critical")}, "UNHEALTHY", FAILED)
    assert (run.problems(), run.health, run.status) == expected, run.output
    assert roles(run, APP) == GONE
    assert roles(run, SECOND) == SECOND_OK


def test_module_that_is_killed(daily: Callable[..., Run], app: Container) -> None:
    """The probing process dies on the host; the role that follows works again."""
    with app.faults(health_delay_seconds=30):
        run = daily(at=PROBING, then=app.kill_module)
    expected = ({(APP, "role.result", "health", "unknown")}, "UNKNOWN", FAILED)
    assert (run.problems(), run.health, run.status) == expected, run.output
    assert roles(run, APP) == APP_OK | {"health": "unknown"}
    assert roles(run, SECOND) == SECOND_OK


def test_role_that_is_called_wrongly(daily: Callable[..., Run]) -> None:
    run = daily("-e", "{resources_sample_seconds: -1}")
    broken = {(host, "role.result", "resources", "unknown") for host in (APP, SECOND)}
    assert (run.problems(), run.health, run.status) == (broken, "UNKNOWN", FAILED), run.output
    assert "sample_seconds" in run.summary("role.result", "resources")


def test_nothing_is_left_of_it(daily: Callable[..., Run]) -> None:
    run = daily()
    assert (run.problems(), run.health, run.status) == (set(), "HEALTHY", 0), run.output
